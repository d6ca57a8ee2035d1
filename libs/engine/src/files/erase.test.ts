import { createHash } from 'node:crypto'
import { type Operation, uuidv7 } from '@agentfs/contracts'
import type { Database, ObjectStore } from '@agentfs/storage'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { createEngine } from '../create-engine.js'
import { Collector } from '../followers/collector.js'
import type { CrashPoint } from '../followers/crash-points.js'
import { Packer } from '../followers/packer.js'
import { ImagesChore } from '../images/images-chore.js'
import { openBucket, type OpenedBucket } from '../open-bucket.contract.js'
import { recover } from '../recovery/recover.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'

const DAY_MS = 24 * 3_600_000

describe('erasing', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: { id: string; root: string; name: string }

  beforeAll(async () => {
    running = await startEngine()
  })
  afterAll(() => running.stop())
  beforeEach(async () => {
    caller = (await newTenant(running.engine)).caller
    agent = await running.engine.agents.create(caller, { name: 'erasing' })
  })

  const put = (path: string, text: string) =>
    running.engine.files.put(caller, agent.id, path, Buffer.from(text))
  const read = async (path: string, engine = running.engine) =>
    textOf((await engine.files.read(caller, agent.id, { path })).body)

  async function push(...operations: Operation[]) {
    const request = { store: uuidv7(), number: 1, previous: null, operations }
    const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    return running.engine.sync.push(caller, agent.id, 0, request, digest)
  }

  async function bucket(): Promise<OpenedBucket> {
    const { kms } = await running.resources.resolve(caller.principal.scope)
    return openBucket(running.objectStore, 'service/', caller.principal.scope.tenantId, kms)
  }

  async function shows(text: string): Promise<boolean> {
    return (await bucket()).opened.some((plain) => plain.includes(text))
  }

  async function collect(afterMs: number): Promise<void> {
    const clock = { now: () => Date.now() + afterMs }
    const { database, resources } = running
    await new Collector({ database, resources, clock }).collectObjects(caller.principal.scope)
  }

  it('[DUR-1] one of two names of a file leaves its content to the other; the last one takes the keys', async () => {
    const { files } = running.engine
    const { answer } = await put('a.md', 'kept')
    await push({ op: 'link', node: answer.node, parent: agent.root, name: 'b.md' })
    await files.delete(caller, agent.id, 'a.md', { erase: true })
    expect(await read('b.md')).toBe('kept')
    await files.delete(caller, agent.id, 'b.md', { erase: true })
    await expect(
      files.restore(caller, agent.id, { path: 'b.md', version: answer.version ?? '' }),
    ).rejects.toMatchObject({ code: 'not_found' })
  })

  it('[ENC-3] takes every version from the bucket too, older copies of the ledger included', async () => {
    await put('secret.md', 'first secret')
    await put('other.md', 'stays')
    await running.pack(caller, agent.id)
    await put('secret.md', 'second secret')
    await running.pack(caller, agent.id)
    expect(await shows('first secret')).toBe(true)
    expect(await shows('second secret')).toBe(true)

    const erasure = await running.engine.files.delete(caller, agent.id, 'secret.md', { erase: true })
    expect(erasure).toEqual({ keys: 1, keysShared: 0, ledger: 'stored' })
    // The answer is there: nothing but what is in the bucket now may be needed.
    const after = await bucket()
    expect(after.opened.filter((plain) => plain.includes('secret') && !plain.startsWith('{'))).toEqual([])
    expect(after.opened.some((plain) => plain.includes('stays'))).toBe(true)
    const [erased] = after.tombstones
    expect(after.heldKeys.has(erased!)).toBe(true)

    await collect(0)
    await collect(8 * DAY_MS)
    const later = await bucket()
    expect(later.heldKeys.has(erased!)).toBe(false)
    expect(later.tombstones).toEqual(new Set([erased]))
    expect(await read('other.md')).toBe('stays')
  })

  for (const place of ['claimed', 'ledger-put', 'ledgered'] satisfies CrashPoint[]) {
    it(`[ENC-3] a packer that read the key before cannot bring it back (erased when it is at ${place})`, async () => {
      await put('secret.md', 'the secret')
      await put('other.md', 'stays')
      const { database, resources } = running
      let once = true
      const packer = new Packer({
        database,
        resources,
        crashPoints: async (point) => {
          if (point !== place || !once) return
          once = false
          await running.engine.files.delete(caller, agent.id, 'secret.md', { erase: true })
        },
      })
      expect(await packer.packStream(caller.principal.scope, agent.id)).toMatchObject({ kind: 'stored' })
      expect(await shows('the secret')).toBe(false)
      expect(await read('other.md')).toBe('stays')
      expect(await shows('stays')).toBe(true)

      // No piece of the ledger that counts has the key, and within days none that is left has.
      await running.pack(caller, agent.id)
      await collect(0)
      await collect(8 * DAY_MS)
      const later = await bucket()
      expect(later.tombstones.size).toBe(1)
      expect([...later.tombstones].filter((keyId) => later.heldKeys.has(keyId))).toEqual([])
    })
  }

  it('[ENC-3] takes the keys that were passed on when two files became one', async () => {
    const { answer } = await put('notes.md', 'before the save')
    const [tmp, written] = [uuidv7(), uuidv7()]
    await push(
      { op: 'create', node: tmp, kind: 'file', parent: agent.root, name: 'notes.tmp' },
      {
        op: 'write',
        node: tmp,
        base: null,
        version: written,
        size: 14,
        extents: [{ offset: 0, length: 14, data: Buffer.from('after the save') }],
      },
      {
        op: 'replace',
        source: tmp,
        target: answer.node,
        from: { parent: agent.root, name: 'notes.tmp' },
        to: { parent: agent.root, name: 'notes.md' },
        base: answer.version,
        version: uuidv7(),
        content: { sourceVersion: written },
      },
    )
    expect(await read('notes.md')).toBe('after the save')
    await running.pack(caller, agent.id)
    const erasure = await running.engine.files.delete(caller, agent.id, 'notes.md', { erase: true })
    expect(erasure).toMatchObject({ keys: 2, keysShared: 0 })
    const { opened } = await bucket()
    expect(opened.filter((plain) => plain.includes('the save'))).toEqual([])
  })

  it('[ENC-3] keeps what a conflict copy shares until that is erased too, and serves nothing of the erased file', async () => {
    const { files } = running.engine
    const { answer } = await put('plan.bin', '\0base')
    const node = answer.node
    await put('plan.bin', '\0newer')
    const data = Buffer.from('\0copied')
    const extents = [{ offset: 0, length: data.length, data }]
    const version = uuidv7()
    const pushed = await push({
      op: 'write',
      node,
      base: answer.version,
      version,
      size: data.length,
      extents,
    })
    expect(pushed.results[0]).toMatchObject({ status: 'conflict-copy' })
    const [copied] = pushed.results
    const copy = copied?.status === 'conflict-copy' ? copied.name : ''
    await running.pack(caller, agent.id)

    expect(await files.delete(caller, agent.id, 'plan.bin', { erase: true })).toMatchObject({
      keys: 0,
      keysShared: 1,
    })
    expect(await read(copy)).toBe('\0copied')
    await expect(
      files.restore(caller, agent.id, { path: 'plan.bin', version: answer.version ?? '' }),
    ).rejects.toMatchObject({ code: 'not_found' })
    expect(await files.delete(caller, agent.id, copy, { erase: true })).toMatchObject({ keys: 1 })
    const { opened } = await bucket()
    expect(opened.filter((plain) => /base|newer|copied/.test(plain) && !plain.startsWith('{'))).toEqual([])
  })

  for (const imaged of [false, true]) {
    const from = imaged ? 'an image of before' : 'the commits alone'
    it(`[ENC-3] what a conflict copy shares the key of comes back with no recovery, from ${from}, and leaves no bytes`, async () => {
      const { files } = running.engine
      const { scope } = caller.principal
      const { answer } = await put('plan.bin', '\0base')
      await put('plan.bin', '\0newer')
      const data = Buffer.from('\0copied')
      const version = uuidv7()
      const extents = [{ offset: 0, length: data.length, data }]
      const { node } = answer
      const pushed = await push({
        op: 'write',
        node,
        base: answer.version,
        version,
        size: data.length,
        extents,
      })
      const [copied] = pushed.results
      const copy = copied?.status === 'conflict-copy' ? copied.name : ''
      await running.pack(caller, scope.tenantId)
      await running.pack(caller, agent.id)
      if (imaged) {
        const chore = new ImagesChore({ ...running, commitsMin: 1 })
        await chore.step(scope, { agentId: agent.id, dryRun: false, resume: null })
      }
      expect(await files.delete(caller, agent.id, 'plan.bin', { erase: true })).toMatchObject({
        keysShared: 1,
      })
      await running.pack(caller, agent.id)
      const held = async (database: Database) =>
        database.withTenant(scope, async (tx) => ({
          versions: (
            await tx.query<{
              versionId: string
            }>`select version_id from versions where agent_id = ${agent.id}`
          ).map(({ versionId }) => versionId),
          parts: (await tx.query`select part_id from parts where agent_id = ${agent.id}`).length,
        }))
      expect(await held(running.database)).toEqual({ versions: [version], parts: 1 })

      const rebuilt = await running.emptyDatabase()
      const { losses } = await recover({ database: rebuilt.database, resources: running.resources })
      expect(losses.filter(({ tenant }) => tenant === scope.tenantId)).toEqual([])
      expect(await read(copy, rebuilt.engine)).toBe('\0copied')
      expect((await held(rebuilt.database)).versions).toEqual([version])
      const restoring = rebuilt.engine.files.restore(caller, agent.id, {
        path: 'plan.bin',
        version: answer.version ?? '',
      })
      await expect(restoring).rejects.toMatchObject({ code: 'not_found' })
      // What the bucket still has of it goes as all that nothing points at.
      expect(await held(rebuilt.database)).toEqual({ versions: [version], parts: 1 })
    })
  }

  it('[ENC-3] another process that has the content in its caches stops serving it at once', async () => {
    const { answer } = await put('secret.md', 'cached elsewhere')
    await running.pack(caller, agent.id)
    const other = running.another()
    expect(await read('secret.md', other)).toBe('cached elsewhere')
    await running.engine.files.delete(caller, agent.id, 'secret.md', { erase: true })
    const version = answer.version ?? ''
    const restored = other.files.restore(caller, agent.id, { path: 'secret.md', version })
    await expect(restored).rejects.toMatchObject({ code: 'not_found' })
    const items = await other.sync.contents(caller, agent.id, {
      reason: 'open',
      items: [{ node: answer.node, version }],
    })
    expect(items).toEqual({ items: [] })
  })

  it('[ENC-3] with the object store down it holds in the service, says what follows, and the packer finishes', async () => {
    await put('secret.md', 'while it is down')
    await running.pack(caller, agent.id)
    const down = failingStore(running.objectStore)
    const { database, resources } = running
    const cutOff = createEngine({
      database,
      resources: {
        resolve: async (scope) => ({ ...(await resources.resolve(scope)), objectStore: down }),
      },
      pepper: Buffer.alloc(32),
      announcer: { publish: () => undefined },
      packHint: { hint: () => undefined },
      log: { warn: () => undefined, error: () => undefined },
    })
    const erasure = await cutOff.files.delete(caller, agent.id, 'secret.md', { erase: true })
    await cutOff.close()
    expect(erasure).toEqual({ keys: 1, keysShared: 0, ledger: 'pending' })
    expect(await shows('while it is down')).toBe(true)
    for await (const outcome of new Packer({ database, resources }).advance(
      caller.principal.scope,
      agent.id,
    )) {
      expect(outcome.kind).toBe('stored')
    }
    expect(await shows('while it is down')).toBe(false)
  })

  it('[ENC-3] an agent goes with all its keys: neither contents nor names open any more', async () => {
    await put('named-secret.md', 'content of an agent')
    await running.pack(caller, agent.id)
    expect(await shows('named-secret.md')).toBe(true)
    const erasure = await running.engine.agents.delete(caller, agent.id, { erase: true })
    expect(erasure).toEqual({ keys: 3, keysShared: 0, ledger: 'stored' })
    const { opened, tombstones } = await bucket()
    expect(tombstones.size).toBe(3)
    expect(opened.filter((plain) => /named-secret|content of an agent/.test(plain))).toEqual([])
  })
})

/** A store that does not answer. */
function failingStore(store: ObjectStore): ObjectStore {
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'putIfAbsent') return () => Promise.reject(new Error('the store is down'))
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
