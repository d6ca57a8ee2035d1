import { uuidv7 } from '@agentfs/contracts'
import { verifyExport } from '@agentfs/audit'
import type { Database } from '@agentfs/storage'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { type Finding, Fsck, isFault } from '../checking/index.js'
import type { Engine } from '../engine.js'
import { Collector } from '../followers/collector.js'
import type { CrashPoint, CrashPoints } from '../followers/crash-points.js'
import { recover } from '../recovery/recover.js'
import { newTenant, type RunningEngine, startEngine } from '../running-engine.contract.js'
import { CompactChore } from './compact-chore.js'
import { expectSoundObjects } from './stored-objects.contract.js'

const COMMITS = 1_100
const DAY_MS = 86_400_000
/** Files that are appended to in turn. */
const FILES = 50

interface RecordPlace {
  readonly seq: number
  readonly recordId: string
  readonly leaf: Buffer
  readonly blockId: string | null
  readonly sealedLength: number
}

describe('[AUD-3] records in blocks', () => {
  let nowMs = Date.now()
  let running: RunningEngine
  let caller: Caller
  let agentId: string
  let before: { readonly places: RecordPlace[]; readonly feed: unknown[]; readonly log: unknown[] }

  const clock = { now: () => nowMs }
  const compact = (crashPoints?: CrashPoints) =>
    new CompactChore({
      ...running,
      clock,
      bytesPerSecond: Infinity,
      ...(crashPoints === undefined ? {} : { crashPoints }),
    }).step(caller.principal.scope, { agentId, dryRun: false, resume: null })

  async function places(database: Database): Promise<RecordPlace[]> {
    return database.withTenant(
      caller.principal.scope,
      (tx) => tx.query<RecordPlace>`
        select seq, record_id, leaf, block_id, sealed_length from records
        where tenant_id = ${tx.tenantId} and stream_id = ${agentId} and epoch = 0 order by seq`,
    )
  }

  /** What a client that was never here is told. */
  async function feed(engine: Engine): Promise<unknown[]> {
    const commits: unknown[] = []
    for (let since = 0; ;) {
      const page = await engine.sync.changes(caller, agentId, { since, epoch: 0 })
      commits.push(...page.commits)
      const last = page.commits.at(-1)
      if (last === undefined) return commits
      since = last.seq
    }
  }

  async function exported(engine: Engine): Promise<unknown[]> {
    const lines: unknown[] = []
    for await (const line of await engine.audit.export(caller, { agent: agentId })) lines.push(line)
    return lines
  }

  async function fsck(): Promise<Finding[]> {
    const found: Finding[] = []
    for await (const finding of new Fsck(running).checkTenant(caller.principal.scope)) found.push(finding)
    return found
  }

  beforeAll(async () => {
    running = await startEngine({}, { clock })
    caller = (await newTenant(running.engine)).caller
    agentId = (await running.engine.agents.create(caller, { name: 'busy' })).id
    for (let line = 0; line < COMMITS; line++) {
      nowMs += 1_000
      await running.engine.files.append(
        caller,
        agentId,
        `${line % FILES}.log`,
        Buffer.from(`${line}`.padEnd(100, '.')),
      )
      if (line === 300) await running.pack(caller, agentId)
    }
    await running.engine.audit.flush()
    await running.pack(caller, agentId)
    await running.pack(caller, caller.principal.scope.tenantId)
    before = {
      places: await places(running.database),
      feed: await feed(running.engine),
      log: await exported(running.engine),
    }
  }, 120_000)
  afterAll(() => running.stop())

  it('are as they were when it is killed before its rows moved, and what it left goes', async () => {
    for (const point of ['claimed', 'segment-put'] as const) {
      await expect(compact(crashAt(point))).rejects.toThrow(`killed at ${point}`)
      expect(await places(running.database)).toEqual(before.places)
    }
    expect((await fsck()).filter(isFault)).toEqual([])
  }, 60_000)

  it('[DUR-1] are as they were where a worker slept past the grace time', async () => {
    const collector = new Collector({ ...running, clock })
    const woken = nowMs
    const { counts } = await compact(async (point) => {
      if (point !== 'segment-put') return
      nowMs += 7_200_000
      await collector.collectObjects(caller.principal.scope)
      nowMs += 8 * DAY_MS
      await collector.collectObjects(caller.principal.scope)
    })
    expect(counts).toEqual({ lost: 1 })
    expect(await places(running.database)).toEqual(before.places)
    // So that the rest is not old yet.
    nowMs = woken
  }, 60_000)

  it('move once, however many work at it, each row to its block', async () => {
    const steps = await Promise.all([1, 2, 3].map(() => compact()))
    const counts = steps.map((step) => step.counts)
    expect(counts.filter(({ blocksWritten }) => blocksWritten === 1)).toHaveLength(1)
    const after = await places(running.database)
    const blocked = after.filter(({ blockId }) => blockId !== null)
    expect(blocked.map(({ seq }) => seq)).toEqual(Array.from({ length: 1_024 }, (_, index) => index + 1))
    expect(after.map(({ recordId }) => recordId)).toEqual(before.places.map(({ recordId }) => recordId))
    await expectSoundObjects(running.database, caller.principal.scope)
    const bytesBefore = before.places.slice(0, 1_024).reduce((sum, { sealedLength }) => sum + sealedLength, 0)
    const bytesAfter = blocked[0]?.sealedLength ?? Infinity
    expect(bytesBefore / 1_024).toBeGreaterThan(1_000)
    expect(bytesAfter / 1_024).toBeLessThan(120)
  })

  it('make a short block of the rest once it is old, and objects that nothing needs go', async () => {
    for (let line = 0; line < 200; line++)
      await running.engine.files.append(caller, agentId, `${line % FILES}.log`, Buffer.from('more'))
    await running.engine.audit.flush()
    await running.pack(caller, agentId)
    await toEnd()
    expect((await places(running.database)).filter(({ blockId }) => blockId !== null)).toHaveLength(1_024)
    nowMs += 8 * DAY_MS
    await toEnd()
    const all = await places(running.database)
    expect(all.filter(({ blockId }) => blockId === null)).toEqual([])
    expect(new Set(all.map(({ blockId }) => blockId)).size).toBe(2)
    const collector = new Collector({ ...running, clock })
    await collector.collectObjects(caller.principal.scope)
    nowMs += 15 * DAY_MS
    await collector.collectObjects(caller.principal.scope)
    await expectSoundObjects(running.database, caller.principal.scope)
    expect((await fsck()).filter(isFault)).toEqual([])
  }, 60_000)

  it('read as before: the feed from its beginning, and the log, which verifies', async () => {
    expect((await feed(running.engine)).slice(0, before.feed.length)).toEqual(before.feed)
    const log = await exported(running.another())
    expect(log).toEqual(expect.arrayContaining(before.log.slice(0, 50)))
    expect(log.length).toBeGreaterThan(before.log.length)
    expect((await verifyExport(log)).problems).toEqual([])
  })

  it('are named by fsck where a byte of a block is not as it was written, and where its leaf is another', async () => {
    const { scope } = caller.principal
    const [object] = await running.database.withTenant(
      scope,
      (tx) => tx.query<{ objectKey: string; at: number }>`
        select o.object_key, r.object_offset + 200 as at from records r join objects o
          on o.tenant_id = r.tenant_id and o.object_id = r.object_id
        where r.tenant_id = ${tx.tenantId} and r.stream_id = ${agentId} and r.seq = 5`,
    )
    const key = `service/${object?.objectKey}`
    const whole = Buffer.from(await running.objectStore.get(key))
    const damaged = Buffer.from(whole)
    damaged[object?.at ?? 0] = damaged[object?.at ?? 0]! ^ 1
    await running.objectStore.put(key, damaged)
    expect((await fsck()).map((finding) => `service/${finding.object}`)).toContain(key)
    await expect(feed(running.another())).rejects.toMatchObject({ code: 'object_corrupt' })
    await running.objectStore.put(key, whole)
    expect((await fsck()).filter(isFault)).toEqual([])
    const swap = (id: string, seq: number) =>
      running.database.withTenant(
        scope,
        (tx) => tx.query`update records set record_id = ${id}
          where tenant_id = ${tx.tenantId} and stream_id = ${agentId} and epoch = 0 and seq = ${seq}`,
      )
    const { recordId } = before.places[6]!
    await swap(uuidv7(), 7)
    expect((await fsck()).filter(isFault)).toEqual([
      expect.objectContaining({ problem: expect.stringContaining('record 7 of stream') }),
    ])
    await swap(recordId, 7)
  }, 60_000)

  it('[DUR-6] come back from the bucket alone, in their blocks', async () => {
    await running.pack(caller, caller.principal.scope.tenantId)
    const { database, engine } = await running.emptyDatabase()
    const report = await recover({ database, resources: running.resources })
    expect(report.losses).toEqual([])
    expect(await places(database)).toEqual(await places(running.database))
    await expectSoundObjects(database, caller.principal.scope)
    const log = await exported(engine)
    expect((await verifyExport(log)).problems).toEqual([])
    expect(log).toEqual(expect.arrayContaining((await exported(running.engine)).slice(-10)))
  })

  async function toEnd(): Promise<void> {
    const chore = new CompactChore({ ...running, clock, bytesPerSecond: Infinity })
    let resume: string | null = null
    do ({ resume } = await chore.step(caller.principal.scope, { agentId: null, dryRun: false, resume }))
    while (resume !== null)
  }
})

function crashAt(at: CrashPoint): CrashPoints {
  return (point) => {
    if (point === at) throw new Error(`killed at ${at}`)
  }
}
