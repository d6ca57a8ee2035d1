import { uuidv7 } from '@agentfs/contracts'
import { segmentKey } from '../followers/object-keys.js'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { Caller } from '../caller.js'
import { Checkpointer } from '../checkpoints/checkpointer.js'
import { newTenant, type RunningEngine, startEngine } from '../running-engine.contract.js'
import { type Finding, Fsck, type FsckOptions, isFault } from './index.js'

describe('fsck', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: { id: string; root: string }

  beforeAll(async () => {
    running = await startEngine()
  })
  afterAll(() => running.stop())
  beforeEach(async () => {
    caller = (await newTenant(running.engine)).caller
    agent = await running.engine.agents.create(caller, { name: 'checked' })
  })

  const put = (path: string, content: string | Buffer) =>
    running.engine.files.put(caller, agent.id, path, Buffer.from(content))

  async function fsck(options: FsckOptions = {}): Promise<Finding[]> {
    const found: Finding[] = []
    for await (const finding of new Fsck(running).checkTenant(caller.principal.scope, options))
      found.push(finding)
    return found
  }

  /** A small bucket with something of everything. */
  async function fill(): Promise<void> {
    const { files } = running.engine
    await put('a.md', 'one')
    await put('a.md', 'two')
    await put('empty.md', '')
    for (let line = 0; line < 5; line++)
      await files.append(caller, agent.id, 'log.jsonl', Buffer.from('{}\n'))
    await running.pack(caller, agent.id)
    await put('large.bin', Buffer.alloc(3_000_000, 'large'))
    await put('gone.md', 'deleted')
    await files.delete(caller, agent.id, 'gone.md')
    await files.read(caller, agent.id, { path: 'a.md' })
    await running.pack(caller, agent.id)
    await running.pack(caller, caller.principal.scope.tenantId)
    await new Checkpointer(running).checkpoint(caller.principal.scope)
    await put('staged.md', 'waits')
  }

  async function objects(): Promise<string[]> {
    const keys: string[] = []
    const prefix = `service/tenants/${caller.principal.scope.tenantId}/`
    for await (const { key } of running.objectStore.list(prefix)) keys.push(key)
    return keys
  }

  it('[DUR-1] finds nothing wrong with what is whole, erased files and unfinished work included', async () => {
    await fill()
    expect(await fsck()).toEqual([])
    expect(await fsck({ quick: true })).toEqual([])
    expect(await fsck({ agentId: agent.id })).toEqual([])
    await running.engine.files.delete(caller, agent.id, 'a.md', { erase: true })
    expect(await fsck()).toEqual([])
    await running.engine.agents.delete(caller, agent.id, { erase: true })
    expect(await fsck()).toEqual([])
  })

  it('[ENC-2] names the object of any byte that is not as it was written', async () => {
    await fill()
    const keys = await objects()
    expect(new Set(keys.map((key) => key.split('/').at(-2)))).toEqual(
      new Set(['seg', 'part', 'keys', 'checkpoints']),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...keys),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.integer({ min: 1, max: 255 }),
        async (key, where, flip) => {
          const bytes = Buffer.from(await running.objectStore.get(key))
          const damaged = Buffer.from(bytes)
          const at = Math.floor(where * bytes.length)
          damaged[at] = damaged[at]! ^ flip
          await running.objectStore.put(key, damaged)
          const found = await fsck()
          await running.objectStore.put(key, bytes)
          expect(found.filter(isFault).map(({ object }) => `service/${object}`)).toContain(key)
        },
      ),
      {
        numRuns: 40,
        examples: keys.flatMap((key) =>
          [0, 0.999999999].map((at) => [key, at, 1] as [string, number, number]),
        ),
      },
    )
  }, 120_000)

  it('[DUR-1] names objects that are gone, quickly too', async () => {
    await fill()
    for (const key of await objects()) {
      const bytes = await running.objectStore.get(key)
      await running.objectStore.delete(key)
      for (const quick of [false, true]) {
        const found = await fsck({ quick })
        expect(found.map(({ kind, object }) => [kind, `service/${object}`])).toContainEqual(['missing', key])
      }
      await running.objectStore.put(key, bytes)
    }
    expect(await fsck()).toEqual([])
  })

  it('[ENC-2] says which file needs what is damaged: its path, its version and its agent', async () => {
    await running.engine.files.put(caller, agent.id, 'data/large.bin', Buffer.from('small'), {
      parents: true,
    })
    await put('data/large.bin', Buffer.alloc(3_000_000, 'large'))
    await put('other.md', 'other')
    await running.pack(caller, agent.id)
    const part = (await objects()).find((key) => key.includes('/part/'))!
    const bytes = Buffer.from(await running.objectStore.get(part))
    bytes[1000] = bytes[1000]! ^ 1
    await running.objectStore.put(part, bytes)
    const file = expect.objectContaining({
      agent: 'checked',
      path: 'data/large.bin',
      version: 2,
      versions: 1,
    })
    const damaged = await fsck()
    expect(damaged).not.toEqual([])
    for (const found of damaged) {
      expect(found).toMatchObject({ kind: 'damaged', file })
      expect(found.problem).toContain('bytes')
    }
    await running.objectStore.delete(part)
    expect(await fsck({ quick: true })).toEqual([expect.objectContaining({ kind: 'missing', file })])
    // A deleted file is named by where it was.
    await running.engine.files.delete(caller, agent.id, 'data/large.bin')
    expect(await fsck({ quick: true })).toContainEqual(expect.objectContaining({ kind: 'missing', file }))
  })

  it('[ENC-2] a segment under the key of another is refused', async () => {
    await fill()
    const segments = (await objects()).filter((key) => key.includes(`/agents/${agent.id}/seg/`))
    const [one, other] = segments
    await running.objectStore.put(one!, await running.objectStore.get(other!))
    const found = await fsck()
    expect(found).toContainEqual(
      expect.objectContaining({ kind: 'damaged', problem: expect.stringContaining('is that of segment') }),
    )
  })

  it('[DUR-6] lists what no row knows as an orphan, and says where the bucket is ahead of a restored database', async () => {
    await fill()
    const { scope } = caller.principal
    await running.objectStore.put(`service/${segmentKey(scope, agent.id, uuidv7())}`, Buffer.from('torn'))
    const [orphan, ...others] = await fsck()
    expect(others).toEqual([])
    expect(orphan).toMatchObject({ kind: 'orphan', bytes: 4 })
    expect(isFault(orphan!)).toBe(false)
    const before = await running.database.withTenant(
      scope,
      (tx) => tx.query<{ seq: number }>`select seq from followers where stream_id = ${agent.id}`,
    )
    await put('later.md', 'later')
    await running.pack(caller, agent.id)
    // As of an older backup: the newest segment has no row, and the cursor is before it.
    await running.database.withTenant(scope, async (tx) => {
      const rows = await tx.query<{ objectId: string }>`
        select object_id from objects where kind = 'segment' and stream_id = ${agent.id} order by object_id desc limit 1`
      void tx.query`delete from objects where object_id = ${rows[0]!.objectId}`
      await tx.query`update followers set seq = ${before[0]!.seq} where stream_id = ${agent.id}`
    })
    const found = await fsck()
    expect(found).toContainEqual(
      expect.objectContaining({ kind: 'ahead', problem: expect.stringContaining(agent.id) }),
    )
  })

  it('[AUD-3] names a checkpoint of the bucket that is gone, or is not the one that was signed', async () => {
    await fill()
    const [checkpoint = ''] = (await objects()).filter((key) => key.includes('/checkpoints/'))
    const bytes = Buffer.from(await running.objectStore.get(checkpoint))
    const object = checkpoint.slice('service/'.length)
    bytes[20] = bytes[20]! ^ 1
    await running.objectStore.put(checkpoint, bytes)
    expect(await fsck()).toEqual([expect.objectContaining({ kind: 'damaged', object })])
    await running.objectStore.delete(checkpoint)
    expect(await fsck()).toEqual([expect.objectContaining({ kind: 'missing', object })])
  })

  it('[AUD-3] names a stream whose records do not make its log', async () => {
    await fill()
    await running.database.withTenant(
      caller.principal.scope,
      (tx) => tx.query`update records set leaf = sha256(leaf) where stream_id = ${agent.id} and seq = 2`,
    )
    const problems = (await fsck({ quick: true })).map(({ problem }) => problem)
    expect(problems).toEqual([expect.stringContaining(`stream ${agent.id}`)])
  })
})
