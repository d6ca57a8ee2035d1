import { createHash, randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { nameFromBytes, type Operation, uuidv7 } from '@agentfs/contracts'
import { decodeDocument, keyOfPath, namesOfMetadata, readDocument } from '@agentfs/document'
import {
  assertObjectKey,
  findMirror,
  type ObjectStore,
  openFilesystemObjectStore,
  openObjectStore,
} from '@agentfs/storage'
import { loadServices, objectStoreUrl, temporaryDirectory } from '@agentfs/testkit'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { bytesOf, newTenant, type RunningEngine, startEngine } from '../running-engine.contract.js'
import { Mirror } from './mirror.js'
import { MirrorTargets } from './mirror-targets.js'

const log = { warn: () => undefined, error: () => undefined }

/** A store that dies, as a killed worker would, after some writes. */
function dyingAfter(store: ObjectStore, writes: number): ObjectStore {
  let left = writes
  return new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...call: unknown[]): unknown => {
        if ((name === 'put' || name === 'delete') && left-- <= 0) throw new Error('killed')
        return Reflect.apply(value, target, call)
      }
    },
  })
}

/** A store that tells of each write before it does it, and waits for whoever is told. */
function telling(store: ObjectStore, tell: (call: string, key: string) => Promise<void>): ObjectStore {
  return new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (name !== 'put' && name !== 'delete') return value.bind(target) as unknown
      return async (key: string, ...rest: unknown[]): Promise<unknown> => {
        await tell(name, key)
        return Reflect.apply(value, target, [key, ...rest]) as unknown
      }
    },
  })
}

describe.each(['filesystem', 's3'] as const)('[ENC-1] the open mirror, on %s', (kind) => {
  let running: RunningEngine
  let store: ObjectStore
  let cleanUp: () => Promise<void>
  let caller: Caller
  let agent: { readonly id: string; readonly root: string }
  let targets: MirrorTargets

  beforeAll(async () => {
    running = await startEngine()
    if (kind === 'filesystem') {
      const directory = await temporaryDirectory('mirror')
      store = await openFilesystemObjectStore(directory.path)
      cleanUp = () => directory.remove()
    } else {
      const service = loadServices().s3.versitygw
      store = await openObjectStore(objectStoreUrl(service, `mirror-${randomUUID()}`), service)
      cleanUp = async () => {
        for await (const { key } of store.list('')) await store.delete(key)
        await store.close()
      }
    }
  })
  afterAll(async () => {
    await cleanUp()
    await running.stop()
  })
  beforeEach(async () => {
    caller = (await newTenant(running.engine)).caller
    agent = await running.engine.agents.create(caller, { name: 'mirrored' })
    targets = new MirrorTargets({
      resolve: async (scope) => ({ ...(await running.resources.resolve(scope)), objectStore: store }),
    })
  })

  const mirror = (own: MirrorTargets = targets): Mirror => new Mirror({ ...running, log, targets: own })
  const switchOn = () =>
    running.engine.mirrors.set(caller, agent.id, { enabled: true, acceptPlaintext: true })
  const advance = (by = mirror()) => by.advance(caller.principal.scope, agent.id)
  const put = (path: string, content: string | Uint8Array) =>
    running.engine.files.put(caller, agent.id, path, Buffer.from(content), { parents: true })
  const mirrorInto = (objectStore: ObjectStore, clock?: { now: () => number }): Mirror => {
    const own = new MirrorTargets({
      resolve: async (scope) => ({ ...(await running.resources.resolve(scope)), objectStore }),
    })
    return new Mirror({ ...running, log, targets: own, ...(clock === undefined ? {} : { clock }) })
  }
  const dying = (writes: number) => mirrorInto(dyingAfter(store, writes))

  async function push(...operations: Operation[]): Promise<void> {
    const request = { store: uuidv7(), number: 1, previous: null, operations }
    const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    await running.engine.sync.push(caller, agent.id, 0, request, digest)
  }

  /** Path to content, as the documents of the mirror tell it; throws where a document is not what it says. */
  async function mirrored(): Promise<Map<string, Buffer>> {
    const prefix = `service/mirror/${caller.principal.scope.tenantId}/agents/${agent.id}/`
    const objects = new Map<string, Buffer>()
    for await (const { key } of store.list(prefix)) {
      assertObjectKey(key)
      objects.set(key.slice(prefix.length), Buffer.from(await store.get(key)))
    }
    const found = new Map<string, Buffer>()
    for (const [key, bytes] of [...objects].filter(([name]) => name.endsWith('.agentfs.md'))) {
      const sidecar = readDocument(bytes)
      if (sidecar?.kind !== 'sidecar') throw new Error(`${key} is no sidecar`)
      const main = key.slice(0, -'.agentfs.md'.length)
      const content = objects.get(main)
      if (content === undefined) throw new Error(`${key} stands alone`)
      expect(createHash('sha256').update(content).digest('hex')).toBe(sidecar.metadata.sha256)
      found.set(sidecar.metadata.path, content)
      objects.delete(key)
      objects.delete(main)
    }
    for (const [key, bytes] of objects) {
      const { metadata, content } = decodeDocument(bytes)
      expect(keyOfPath(namesOfMetadata(metadata))).toBe(key)
      found.set(metadata.path, content)
    }
    return found
  }

  /** The same, as the tree has it. */
  async function tree(): Promise<Map<string, Buffer>> {
    const files = new Map<string, Buffer>()
    let cursor: string | undefined
    do {
      const page = await running.engine.files.tree(caller, agent.id, {
        path: '',
        depth: 64,
        limit: 1_000,
        ...(cursor === undefined ? {} : { cursor }),
      })
      for (const { node, path, kind: is } of page.data) {
        if (is !== 'file') continue
        const { body } = await running.engine.files.read(caller, agent.id, { node })
        files.set(path, await bytesOf(body))
      }
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    return files
  }

  async function expectConverged(): Promise<Map<string, Buffer>> {
    const [there, here] = [await mirrored(), await tree()]
    expect([...there.keys()].toSorted()).toEqual([...here.keys()].toSorted())
    for (const [path, content] of here) expect(there.get(path)?.equals(content)).toBe(true)
    return there
  }

  it('is off unless switched on by who may manage, who says yes to plaintext; that is audited', async () => {
    await put('a.md', 'A')
    expect(await advance()).toMatchObject({ claimed: false })
    expect((await mirrored()).size).toBe(0)
    await expect(running.engine.mirrors.set(caller, agent.id, { enabled: true })).rejects.toThrow(/plaintext/)
    await expect(
      running.engine.mirrors.set(caller, agent.id, {
        enabled: true,
        acceptPlaintext: true,
        target: 'elsewhere',
      }),
    ).rejects.toThrow(/no mirror target/)
    const limited: Caller = {
      ...caller,
      principal: { ...caller.principal, limits: { ...caller.principal.limits, role: 'writer' } },
    }
    await expect(
      running.engine.mirrors.set(limited, agent.id, { enabled: true, acceptPlaintext: true }),
    ).rejects.toMatchObject({ code: 'forbidden' })
    const other = (await newTenant(running.engine)).caller
    await expect(running.engine.mirrors.status(other, agent.id)).rejects.toMatchObject({ code: 'not_found' })
    expect(await switchOn()).toMatchObject({ state: 'filling', seq: null })
    const events = await running.engine.audit.listEvents(caller, { limit: 10, action: 'agent.mirror' })
    expect(events.data).toHaveLength(1)
    await advance()
    expect(await running.engine.mirrors.status(caller, agent.id)).toMatchObject({
      state: 'following',
      lagSeconds: 0,
      documents: 1,
    })
    await expectConverged()
  })

  it('follows creations, edits, renames, copies, deletions and restored files', async () => {
    await put('notes/a.md', '---\ntitle: A\n---\none')
    await switchOn()
    await advance()
    await expectConverged()
    await put('notes/a.md', '---\ntitle: A\n---\ntwo')
    await put('b.md', '')
    await put('picture.png', Buffer.from([0x89, 0x50, 0xff]))
    await put('large.txt', 'x'.repeat(1_048_577))
    const { files } = running.engine
    await files.mkdir(caller, agent.id, { path: 'copied' })
    await files.copy(caller, agent.id, { from: 'notes/a.md', to: 'copied/a.md' })
    await files.move(caller, agent.id, { from: 'b.md', to: 'notes/b.md' })
    await advance()
    await expectConverged()
    await files.delete(caller, agent.id, 'copied', { recursive: true })
    await put('picture.png', 'text now')
    await files.move(caller, agent.id, { from: 'notes', to: 'records' })
    await advance()
    const there = await expectConverged()
    expect([...there.keys()].toSorted()).toEqual(['large.txt', 'picture.png', 'records/a.md', 'records/b.md'])
    const version = (await files.versions(caller, agent.id, { path: 'records/a.md' }, { limit: 10 })).data.at(
      -1,
    )
    await files.delete(caller, agent.id, 'records/a.md', {})
    await advance()
    await expectConverged()
    await files.restore(caller, agent.id, { path: 'records/a.md', version: version?.version ?? '' })
    await advance()
    expect((await expectConverged()).get('records/a.md')?.toString()).toContain('one')
    await running.engine.agents.update(caller, agent.id, { name: `renamed-${randomUUID()}` })
    await put('records/a.md', 'after the agent was renamed')
    await advance()
    await expectConverged()
  })

  it('a file where a folder was, a folder where a file was, and two names that swap', async () => {
    const { files } = running.engine
    await put('x/y.md', 'under x')
    await put('z', 'file z')
    await put('one', '1')
    await put('two', '2')
    await switchOn()
    await advance()
    await files.delete(caller, agent.id, 'x', { recursive: true })
    await put('x', 'file x')
    await files.delete(caller, agent.id, 'z', {})
    await put('z/y.md', 'under z')
    await files.move(caller, agent.id, { from: 'one', to: 'three' })
    await files.move(caller, agent.id, { from: 'two', to: 'one' })
    await files.move(caller, agent.id, { from: 'three', to: 'two' })
    await advance()
    await expectConverged()
  })

  it("odd names: no UTF-8, 255 bytes, deep, a sidecar's, hard links", async () => {
    const names = [
      nameFromBytes(Buffer.from([0x61, 0xff, 0xc3, 0xa9])),
      'n'.repeat(255),
      'é'.repeat(127),
      'control\u0001\n%41',
      'picture.png.agentfs.md',
      'picture.png',
      ' ',
      '%~x',
    ]
    await push(
      ...names.map((name): Operation => ({
        op: 'create',
        node: uuidv7(),
        parent: agent.root,
        name,
        kind: 'file',
      })),
    )
    await put(`${'d'.repeat(200)}/${'e'.repeat(200)}/${'f'.repeat(200)}/${'g'.repeat(200)}/leaf.md`, 'deep')
    const { answer } = await put('picture.png', Buffer.from([0xff, 0xfe]))
    await push({ op: 'link', node: answer.node, parent: agent.root, name: 'second name' })
    await switchOn()
    await advance()
    const there = await expectConverged()
    expect(there.size).toBe(names.length + 2)
    await put('picture.png', Buffer.from([0xff, 0xfd]))
    await advance()
    await expectConverged()
  })

  it('[ENC-3] erasing a file, switching off, and deleting the agent take the documents away', async () => {
    await switchOn()
    await put('secret.md', 'secret')
    await put('kept.md', 'kept')
    await advance()
    await running.engine.files.delete(caller, agent.id, 'secret.md', { erase: true })
    await advance()
    expect([...(await expectConverged()).keys()]).toEqual(['kept.md'])
    await running.engine.mirrors.set(caller, agent.id, { enabled: false, keepDocuments: true })
    await put('unseen.md', 'x')
    expect(await advance()).toMatchObject({ written: 0 })
    expect((await mirrored()).size).toBe(1)
    expect(await running.engine.mirrors.status(caller, agent.id)).toMatchObject({
      state: 'off',
      documents: 1,
    })
    await switchOn()
    await advance()
    expect((await expectConverged()).size).toBe(2)
    expect(await running.engine.mirrors.set(caller, agent.id, { enabled: false })).toMatchObject({
      state: 'removing',
    })
    await advance()
    expect((await mirrored()).size).toBe(0)
    expect(await running.engine.mirrors.status(caller, agent.id)).toMatchObject({
      state: 'off',
      documents: 0,
    })
    await switchOn()
    await advance()
    await expectConverged()
    await running.engine.agents.delete(caller, agent.id)
    await advance()
    expect((await mirrored()).size).toBe(0)
  })

  it('writes each document once: what is shown already is not written again, but by a rebuild', async () => {
    await put('a.md', 'A')
    await put('b.md', 'B')
    await switchOn()
    expect(await advance()).toMatchObject({ written: 2 })
    await put('a.md', 'A2')
    expect(await advance()).toMatchObject({ written: 1, removed: 0 })
    expect(await advance()).toMatchObject({ written: 0, removed: 0 })
    // Somebody empties the bucket: only a rebuild knows.
    const prefix = `service/mirror/${caller.principal.scope.tenantId}/`
    for await (const { key } of store.list(prefix)) await store.delete(key)
    await running.engine.mirrors.set(caller, agent.id, {
      enabled: true,
      acceptPlaintext: true,
      rebuild: true,
    })
    expect(await advance()).toMatchObject({ written: 2 })
    await expectConverged()
  })

  it('converges however often it is killed, in the middle of the filling, of a rename and of a removal', async () => {
    for (let at = 0; at < 12; at++) await put(`folder/${at}.md`, `content ${at}`)
    await put('folder/bytes', Buffer.from([0xff]))
    await switchOn()
    for (let writes = 0; writes < 14; writes += 3)
      await expect(advance(dying(writes))).rejects.toThrow('killed')
    await put('folder/3.md', 'changed after the kill')
    await advance()
    await expectConverged()
    await running.engine.files.move(caller, agent.id, { from: 'folder', to: 'elsewhere' })
    await running.engine.files.delete(caller, agent.id, 'elsewhere/4.md', {})
    for (let writes = 0; writes < 20; writes += 3)
      await advance(dying(writes)).catch((error: unknown) => expect(String(error)).toMatch('killed'))
    await advance()
    await expectConverged()
    await running.engine.mirrors.set(caller, agent.id, { enabled: false })
    await expect(advance(dying(2))).rejects.toThrow('killed')
    await advance()
    expect((await mirrored()).size).toBe(0)
  })

  it('a file is there under one of its names at every moment of a rename, and under its new one alone after a kill', async () => {
    for (let at = 0; at < 10; at++) await put(`folder/${at}.md`, `content ${at}`)
    await switchOn()
    await advance()
    await running.engine.files.move(caller, agent.id, { from: 'folder', to: 'moved' })
    const calls: string[] = []
    const told = telling(store, (call, key) => {
      const name = key.slice(key.indexOf(agent.id) + agent.id.length + 1)
      // The old name of a file goes only where its new one was written before.
      if (call === 'delete') expect(calls).toContain(`put ${name.replace('folder/', 'moved/')}`)
      calls.push(`${call} ${name}`)
      if (calls.length === 15) return Promise.reject(new Error('killed'))
      return Promise.resolve()
    })
    await expect(advance(mirrorInto(told))).rejects.toThrow('killed')
    const there = [...(await mirrored()).values()].map(String)
    for (let at = 0; at < 10; at++) expect(there).toContain(`content ${at}`)
    await advance()
    const names = [...(await expectConverged()).keys()]
    expect(names.filter((name) => !name.startsWith('moved/'))).toEqual([])
    expect(await running.engine.mirrors.status(caller, agent.id)).toMatchObject({ documents: 10 })
  })

  it('a file where a folder was kept, and a folder where a file was, also where the whole tree is written again', async () => {
    const { files } = running.engine
    await put('x/y.md', 'under x')
    await put('x/picture', Buffer.from([0xff]))
    await put('z', 'file z')
    await switchOn()
    await advance()
    await running.engine.mirrors.set(caller, agent.id, { enabled: false, keepDocuments: true })
    await files.move(caller, agent.id, { from: 'x', to: 'elsewhere' })
    await put('x', 'file x')
    await files.delete(caller, agent.id, 'z', {})
    await put('z/y.md', 'under z')
    await switchOn()
    await advance()
    await expectConverged()
  })

  it('[ENC-3] switched off while a document is on its way: nothing is left behind', async () => {
    await put('a.md', 'A')
    await switchOn()
    const onItsWay = Promise.withResolvers<void>()
    const late = Promise.withResolvers<void>()
    const told = telling(store, (call) => {
      if (call !== 'put') return Promise.resolve()
      onItsWay.resolve()
      return late.promise
    })
    const writing = advance(mirrorInto(told))
    await onItsWay.promise
    await running.engine.mirrors.set(caller, agent.id, { enabled: false })
    expect(await advance()).toMatchObject({ claimed: false })
    late.resolve()
    await expect(writing).rejects.toMatchObject({ details: { mirrorClaim: 'lost' } })
    expect(await advance()).toMatchObject({ claimed: true })
    expect((await mirrored()).size).toBe(0)
    expect(await running.engine.mirrors.status(caller, agent.id)).toMatchObject({
      state: 'off',
      documents: 0,
    })
  })

  it('a slow store costs a worker no claim: it is renewed before it could end under a call', async () => {
    for (let at = 0; at < 24; at++) await put(`${at}.md`, `content ${at}`)
    await switchOn()
    let nowMs = Date.now()
    const clock = { now: () => nowMs }
    const claimed: boolean[] = []
    const told = telling(store, async () => {
      // Eight calls are under way at once: together they take less than a claim holds, and all of them far longer.
      nowMs += 4_000
      claimed.push((await advance(new Mirror({ ...running, log, targets, clock }))).claimed)
    })
    await advance(mirrorInto(told, clock))
    expect(claimed.length).toBeGreaterThanOrEqual(24)
    expect(claimed).not.toContain(true)
    await expectConverged()
  })

  it('two workers at once, while files change: one works, and nothing older follows something newer', async () => {
    await switchOn()
    let writing = true
    const workers = [mirror(), mirror()].map(async (one) => {
      while (writing) {
        await one.advance(caller.principal.scope, agent.id)
        await delay(1)
      }
    })
    for (let round = 0; round < 30; round++) await put(`${round % 3}.md`, `round ${round}`)
    writing = false
    await Promise.all(workers)
    await advance()
    await expectConverged()
  })

  it('is found by the sweep while it is behind, with its lag', async () => {
    await switchOn()
    await advance()
    const mine = async () =>
      (await mirror().dueAcrossTenants()).mirrors.filter(({ agentId }) => agentId === agent.id)
    expect(await mine()).toEqual([])
    await put('a.md', 'A')
    expect(await mine()).toHaveLength(1)
    const later = new Mirror({ ...running, log, targets, clock: { now: () => Date.now() + 60_000 } })
    expect((await later.dueAcrossTenants()).oldestMs).toBeGreaterThanOrEqual(60_000)
    await advance()
    expect(await mine()).toEqual([])
    const row = await running.database.withTenant(caller.principal.scope, (tx) => findMirror(tx, agent.id))
    expect(row).toMatchObject({ cursorSeq: 1, headSeq: 1, fillEpoch: null })
  })
})
