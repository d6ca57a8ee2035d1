import { createHash, randomBytes } from 'node:crypto'
import { type Operation, type PushAnswer, uuidv7 } from '@agentfs/contracts'
import type { Database } from '@agentfs/storage'
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals'
import type { Caller } from '../caller.js'
import { Fsck } from '../checking/index.js'
import type { Engine } from '../engine.js'
import { Collector } from '../followers/collector.js'
import type { CrashPoint } from '../followers/crash-points.js'
import { ImagesChore, type ImagesOptions } from '../images/images-chore.js'
import type { Chore } from '../maintenance/chore.js'
import { CompactChore } from '../maintenance/compact-chore.js'
import { RetainChore } from '../maintenance/retain-chore.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'
import { recover, type RecoverOptions } from './recover.js'
import { recoveredRows } from './recovered-rows.contract.js'
import type { RecoveryReport } from './report.js'

const DAY_MS = 24 * 3_600_000
/** Several recoveries of all that the tests before left in the bucket. */
const LIMIT_MS = 120_000

describe('[DUR-6] recover with images of trees', () => {
  jest.setTimeout(LIMIT_MS)
  let nowMs = Date.UTC(2027, 0, 1)
  const clock = { now: () => (nowMs += 10) }
  let running: RunningEngine
  let caller: Caller
  let agent: { id: string; root: string }
  const store = uuidv7()
  let number = 0
  let previous: string | null = null

  beforeAll(async () => {
    running = await startEngine({}, { clock })
  })
  // A recovery forks the streams of the bucket: each test has a tenant of its own.
  beforeEach(async () => {
    ;[number, previous] = [0, null]
    caller = (await newTenant(running.engine)).caller
    agent = await running.engine.agents.create(caller, { name: 'kept' })
    for (const name of ['a.md', 'b.md', 'gone.md', 'secret.md']) await put(name, `first of ${name}`)
    await put('a.md', 'second of a.md')
  })
  afterAll(() => running.stop())

  const put = (path: string, text: string, on: Engine = running.engine) =>
    on.files.put(caller, agent.id, path, Buffer.from(text))
  const read = async (engine: Engine, path: string) =>
    textOf((await engine.files.read(caller, agent.id, { path })).body)
  const push = async (
    operations: Operation[],
  ): Promise<{ answer: PushAnswer; again: (engine: Engine, epoch: number) => Promise<PushAnswer> }> => {
    const request = { store, number: ++number, previous, operations }
    const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    const again = (engine: Engine, epoch: number) =>
      engine.sync.push(caller, agent.id, epoch, request, digest)
    const answer = await again(running.engine, 0)
    previous = digest
    return { answer, again }
  }
  const storeAll = async () => {
    const { scope } = caller.principal
    await running.engine.audit.flush()
    const streams = await running.database.withTenant(
      scope,
      (tx) => tx.query<{ streamId: string }>`select stream_id from streams where tenant_id = ${tx.tenantId}`,
    )
    for (const { streamId } of streams) await running.pack(caller, streamId)
  }
  const images = (more: Partial<ImagesOptions> = {}) => {
    const { database, resources } = running
    return new ImagesChore({ database, resources, clock, commitsMin: 1, pageRows: 3, ...more })
  }
  const toEnd = async (chore: Chore) => {
    const { scope } = caller.principal
    let resume: string | null = null
    let counts: Readonly<Record<string, number>> = {}
    do {
      // Without an agent's name, as workers ask.
      const step = await chore.step(scope, { agentId: null, dryRun: false, resume })
      ;({ resume } = step)
      if (Object.keys(step.counts).length > 0) ({ counts } = step)
    } while (resume !== null)
    return counts
  }
  const imageObjects = async (): Promise<string[]> => {
    const keys: string[] = []
    const prefix = `service/tenants/${caller.principal.scope.tenantId}/agents/${agent.id}/tree/`
    for await (const { key } of running.objectStore.list(prefix)) keys.push(key)
    return keys
  }
  const mine = ({ losses, notes }: RecoveryReport) => ({
    losses: losses.filter(({ tenant }) => tenant === caller.principal.scope.tenantId),
    notes: notes.filter((note) => note.includes(agent.id)),
  })
  const rebuilt = async (more: Partial<RecoverOptions> = {}) => {
    const { database, engine } = await running.emptyDatabase()
    const report = await recover({ database, resources: running.resources, clock, ...more })
    return { database, engine, ...mine(report) }
  }
  /** The log and its events as they were before any recovery. */
  const logOf = async (database: Database) => {
    const { scope } = caller.principal
    return database.withTenant(scope, async (tx) => {
      const records = await tx.query`select stream_id, seq, record_id, leaf_index, leaf, at from records
        where tenant_id = ${tx.tenantId} and epoch = 0 order by stream_id, seq`
      const events =
        await tx.query`select stream_id, seq, change_index, action, path, node_id, version_id from audit_events
        where tenant_id = ${tx.tenantId} and epoch = 0 order by stream_id, seq, change_index`
      return { records: [...records], events: [...events] }
    })
  }
  const expectAlike = async (
    database: Database,
    before: Awaited<ReturnType<typeof everything>>,
    of: (row: string) => string = (row) => row,
  ) => {
    const after = await everything(database)
    for (const [table, rows] of Object.entries(before.rows))
      expect({ table, rows: after.rows[table]?.map(of) }).toEqual({ table, rows: rows.map(of) })
    expect(after.log).toEqual(before.log)
  }
  const everything = async (database: Database) => ({
    rows: await recoveredRows(database, caller),
    log: await logOf(database),
  })
  const changes = async () => {
    const [folder, moved, twin] = [uuidv7(), uuidv7(), uuidv7()]
    await push([
      { op: 'create', node: folder, kind: 'directory', parent: agent.root, name: 'notes' },
      { op: 'create', node: moved, kind: 'file', parent: agent.root, name: 'old-name' },
      { op: 'setxattr', node: moved, name: 'user.note', value: 'aGVsbG8=' },
      { op: 'symlink', node: uuidv7(), parent: agent.root, name: 'link', target: 'a.md' },
    ])
    await push([{ op: 'create', node: twin, kind: 'directory', parent: agent.root, name: 'notes' }])
    return { folder, moved }
  }

  it('has every row as it was, with commits after the image and pushes that are sent again', async () => {
    const { folder, moved } = await changes()
    await running.engine.files.put(caller, agent.id, 'large.bin', Buffer.alloc(3 << 20, 'x'))
    // Not stored yet: the image is of what is committed, and finds its bytes in a later segment.
    expect(await toEnd(images())).toMatchObject({ images: 1 })
    await put('a.md', 'after the image')
    const rename: Operation = {
      op: 'rename',
      node: moved,
      from: { parent: agent.root, name: 'old-name' },
      to: { parent: folder, name: 'new-name' },
      expected: null,
      flags: 'none',
    }
    const last = await push([rename])
    await running.engine.files.delete(caller, agent.id, 'gone.md', {})
    await storeAll()
    const before = await everything(running.database)
    const { database, engine, losses, notes } = await rebuilt()
    expect(losses).toEqual([])
    expect(notes).toContainEqual(expect.stringMatching(/image .* was taken$/))
    await expectAlike(database, before)
    expect(await read(engine, 'a.md')).toBe('after the image')
    expect(await read(engine, 'b.md')).toBe('first of b.md')
    expect((await read(engine, 'large.bin')).length).toBe(3 << 20)
    await expect(read(engine, 'gone.md')).rejects.toMatchObject({ code: 'not_found' })
    const { epoch } = await engine.sync.snapshot(caller, agent.id, { limit: 1 })
    expect(await last.again(engine, epoch)).toEqual(last.answer)
    const findings = []
    const fsck = new Fsck({ database, resources: running.resources })
    for await (const finding of fsck.checkTenant(caller.principal.scope, {})) findings.push(finding)
    expect(findings).toEqual([])
  })

  it('has pages of a bounded size, however large the attributes of files are', async () => {
    const nodes = Array.from({ length: 12 }, () => uuidv7())
    await push(
      nodes.flatMap((node, at): Operation[] => [
        { op: 'create', node, kind: 'file', parent: agent.root, name: `file-${at}` },
        { op: 'setxattr', node, name: 'user.large', value: randomBytes(30_000).toString('base64') },
      ]),
    )
    await storeAll()
    expect(await toEnd(images({ pageRows: 4_000, pageBytes: 100_000 }))).toMatchObject({ images: 1 })
    for (const key of await imageObjects())
      expect((await running.objectStore.get(key)).length).toBeLessThan(200_000)
    await storeAll()
    const before = await everything(running.database)
    const { database, losses, notes } = await rebuilt()
    expect(losses).toEqual([])
    expect(notes).toContainEqual(expect.stringMatching(/image .* was taken$/))
    await expectAlike(database, before)
  })

  it('[ENC-3] what was erased, deleted or pruned after the image stays gone', async () => {
    await running.engine.files.put(caller, agent.id, 'a.md', randomBytes(100_000))
    await storeAll()
    await toEnd(images())
    await running.engine.files.delete(caller, agent.id, 'secret.md', { erase: true })
    await running.engine.files.delete(caller, agent.id, 'gone.md', {})
    for (let round = 0; round < 3; round++) await put('a.md', `round ${round}`)
    await storeAll()
    nowMs += 400 * DAY_MS
    const options = { database: running.database, resources: running.resources, clock }
    await toEnd(new RetainChore(options))
    await toEnd(new CompactChore({ ...options, bytesPerSecond: Infinity }))
    nowMs += 15 * DAY_MS
    await new Collector(options).collectObjects(caller.principal.scope)
    await storeAll()
    const pruned = await versionsOf(running.database, 'a.md')
    const { database, engine, losses, notes } = await rebuilt()
    expect(losses).toEqual([])
    expect(notes).toContainEqual(expect.stringMatching(/was taken$/))
    await expect(read(engine, 'secret.md')).rejects.toMatchObject({ code: 'not_found' })
    await expect(read(engine, 'gone.md')).rejects.toMatchObject({ code: 'not_found' })
    expect(await read(engine, 'a.md')).toBe('round 2')
    expect(await read(engine, 'b.md')).toBe('first of b.md')
    expect(pruned).toHaveLength(1)
    expect(await versionsOf(database, 'a.md')).toEqual(pruned)
    const said = await database.withTenant(
      caller.principal.scope,
      (tx) => tx.query`select v.version_id from versions v join tombstones t using (tenant_id, key_id)
        where v.tenant_id = ${tx.tenantId} and (v.content_mac <> '' or v.part_ids <> '{}')
        union all select p.part_id from parts p join tombstones t using (tenant_id, key_id)
        where p.tenant_id = ${tx.tenantId} and p.content_mac <> ''`,
    )
    expect(said).toEqual([])
    for (const key of await imageObjects()) await running.objectStore.delete(key)
    const replayed = await rebuilt()
    expect(replayed.notes).toEqual([])
    // What stands for a head that is meant to be gone has the epoch of its recovery.
    const sameEpoch = (row: string) => row.replace(/"epoch":\d+/, '')
    await expectAlike(replayed.database, await everything(database), sameEpoch)
  })

  it('[ENC-3] nothing that an erased key sealed is told by an image that was made before, its bytes still there', async () => {
    await storeAll()
    await toEnd(images())
    await running.engine.files.delete(caller, agent.id, 'secret.md', { erase: true })
    await storeAll()
    const { database, notes } = await rebuilt()
    expect(notes).toContainEqual(expect.stringMatching(/was taken$/))
    const withImage = await everything(database)
    for (const key of await imageObjects()) await running.objectStore.delete(key)
    const { database: replayed, notes: none } = await rebuilt()
    expect(none).toEqual([])
    await expectAlike(replayed, withImage)
  })

  it('takes the one before where the newest is damaged, and all commits where each is', async () => {
    await storeAll()
    await toEnd(images())
    const [older] = headsOf(await imageObjects())
    await put('b.md', 'second of b.md')
    await storeAll()
    await toEnd(images())
    const newest = headsOf(await imageObjects()).at(-1) ?? ''
    expect(newest).not.toBe(older)
    await put('a.md', 'the last')
    await storeAll()
    const before = await everything(running.database)
    const page = (await imageObjects()).find((key) => key.includes(imageOf(newest)) && key !== newest) ?? ''
    await flip(page)
    const second = await rebuilt()
    expect(second.losses).toEqual([])
    expect(second.notes.join('\n')).toContain(`${imageOf(newest)} is not as it was written`)
    expect(second.notes.join('\n')).toContain(`image ${imageOf(older ?? '')} of seq`)
    await expectAlike(second.database, before)
    await flip(older ?? '')
    const replayed = await rebuilt()
    expect(replayed.losses).toEqual([])
    expect(replayed.notes.join('\n')).not.toContain('was taken')
    await expectAlike(replayed.database, before)
  })

  it('passes over an image that is ahead of what is stored', async () => {
    await storeAll()
    await toEnd(images())
    await put('b.md', 'acknowledged, never stored')
    await toEnd(images())
    const { engine, notes, losses } = await rebuilt()
    expect(losses).toEqual([])
    expect(notes.join('\n')).toContain('which the stored commits do not reach')
    expect(notes.join('\n')).toContain('was taken')
    expect(await read(engine, 'b.md')).toBe('first of b.md')
  })

  it('goes on where it was killed, also where the image has gone meanwhile', async () => {
    await changes()
    await storeAll()
    await toEnd(images())
    await put('a.md', 'after the image')
    await storeAll()
    const before = await everything(running.database)
    for (const lost of [false, true]) {
      const { database, engine } = await running.emptyDatabase()
      const stop = new AbortController()
      const work = { database, resources: running.resources, clock }
      const onProgress = ({ tenant, records }: { tenant: string; records: number }) => {
        if (tenant === caller.principal.scope.tenantId && records > 0) stop.abort(new Error('killed'))
      }
      await expect(recover({ ...work, signal: stop.signal, onProgress })).rejects.toThrow('killed')
      if (lost) for (const key of await imageObjects()) await running.objectStore.delete(key)
      const { losses, notes } = mine(await recover(work))
      expect(losses).toEqual([])
      expect(notes.some((note) => note.endsWith('was taken'))).toBe(!lost)
      await expectAlike(database, before)
      expect(await read(engine, 'a.md')).toBe('after the image')
    }
  })

  it('[DUR-1] a crash anywhere while an image is made loses nothing; the next one is whole; two stay', async () => {
    await storeAll()
    const before = await everything(running.database)
    for (const point of ['claimed', 'segment-put', 'switched'] as const satisfies CrashPoint[]) {
      const crashPoints = (at: CrashPoint) => {
        if (at === point) throw new Error(`crash at ${at}`)
      }
      await expect(toEnd(images({ crashPoints }))).rejects.toThrow(`crash at ${point}`)
    }
    const { database, losses } = await rebuilt()
    expect(losses).toEqual([])
    await expectAlike(database, before)
    for (let round = 0; round < 3; round++) {
      await put('b.md', `round ${round}`)
      expect(await toEnd(images())).toMatchObject({ images: 1 })
    }
    const live = await running.database.withTenant(
      caller.principal.scope,
      (tx) => tx.query<{ objectKey: string }>`select object_key from objects
        where tenant_id = ${tx.tenantId} and kind = 'tree' and state = 'live'`,
    )
    expect(headsOf(live.map(({ objectKey }) => objectKey))).toHaveLength(2)
    expect(await toEnd(images({ commitsMin: 1_000 }))).toEqual({})
  })

  const versionsOf = (database: Database, name: string) =>
    database.withTenant(
      caller.principal.scope,
      (tx) => tx.query`select v.version_id, v.number, v.size from versions v
        join entries e on e.tenant_id = v.tenant_id and e.agent_id = v.agent_id and e.node_id = v.node_id
        where v.tenant_id = ${tx.tenantId} and e.tenant_id = ${tx.tenantId} and e.name = ${Buffer.from(name)} order by v.number`,
    )
  const imageOf = (key: string) => key.slice(-73, -37)
  const headsOf = (keys: readonly string[]) => keys.filter((key) => key.slice(-36) === imageOf(key)).sort()
  const flip = async (key: string) => {
    const bytes = Buffer.from(await running.objectStore.get(key))
    bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1
    await running.objectStore.put(key, bytes)
  }
})
