import { createHash } from 'node:crypto'
import type { TenantScope } from '@agentfs/access'
import { type Operation, type PushAnswer, uuidv7 } from '@agentfs/contracts'
import type { Database } from '@agentfs/storage'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { Fsck } from '../checking/index.js'
import type { Engine } from '../engine.js'
import { Collector } from '../followers/collector.js'
import type { CrashPoints } from '../followers/crash-points.js'
import { recover } from '../recovery/recover.js'
import { bytesOf, newTenant, type RunningEngine, startEngine } from '../running-engine.contract.js'
import type { Chore } from './chore.js'
import { CompactChore } from './compact-chore.js'
import { PrefixChore } from './prefix-chore.js'
import { RetainChore } from './retain-chore.js'
import { expectSoundObjects, objectSums } from './stored-objects.contract.js'

const HOUR_MS = 3_600_000
const FIRST_BYTES = 60_000
const APPENDS = 250
const LINE_BYTES = 100

describe('appends kept as beginnings of a later version', () => {
  let nowMs = Date.UTC(2027, 0, 1)
  let running: RunningEngine
  let caller: Caller
  let scope: TenantScope
  const clock = { now: () => nowMs }

  beforeAll(async () => {
    running = await startEngine({}, { clock })
    caller = (await newTenant(running.engine)).caller
    ;({ scope } = caller.principal)
  })
  afterAll(() => running.stop())

  const prefixes = (crashPoints?: CrashPoints): PrefixChore =>
    new PrefixChore({
      database: running.database,
      resources: running.resources,
      clock,
      ...(crashPoints === undefined ? {} : { crashPoints }),
    })

  async function toEnd(chore: Chore, agentId: string | null): Promise<Record<string, number>> {
    const all: Record<string, number> = {}
    let resume: string | null = null
    do {
      const step = await chore.step(scope, { agentId, dryRun: false, resume })
      for (const [name, count] of Object.entries(step.counts)) all[name] = (all[name] ?? 0) + count
      ;({ resume } = step)
    } while (resume !== null)
    return all
  }

  async function settle(agentId: string): Promise<void> {
    const options = { database: running.database, resources: running.resources, clock }
    await toEnd(new CompactChore({ ...options, bytesPerSecond: Infinity }), agentId)
    nowMs += 15 * 24 * HOUR_MS
    await new Collector(options).collectObjects(scope)
  }

  async function newLog(appends: number): Promise<{ agentId: string; content: Buffer }> {
    const { id: agentId } = await running.engine.agents.create(caller, { name: `log-${uuidv7()}` })
    const content = Buffer.alloc(FIRST_BYTES + appends * LINE_BYTES)
    for (let at = 0; at < content.length; at += LINE_BYTES) {
      content.write(`${at} of a log that grows by a line each second `.padEnd(LINE_BYTES - 1, '.') + '\n', at)
    }
    await running.engine.files.put(caller, agentId, 'log', content.subarray(0, FIRST_BYTES))
    await append(agentId, content, appends)
    return { agentId, content }
  }

  async function append(agentId: string, content: Buffer, appends: number): Promise<void> {
    for (let line = 0; line < appends; line++) {
      nowMs += 1_000
      const from = content.length - (appends - line) * LINE_BYTES
      await running.engine.files.append(caller, agentId, 'log', content.subarray(from, from + LINE_BYTES))
      if (line % 120 === 119) await running.pack(caller, agentId)
    }
    await running.pack(caller, agentId)
  }

  async function expectVersions(
    engine: Engine,
    agentId: string,
    content: Buffer,
    count: number,
  ): Promise<void> {
    const wrong: number[] = []
    for (let version = 1; version <= count; version++) {
      const read = await engine.files.read(caller, agentId, { path: 'log' }, { version })
      const size = FIRST_BYTES + (version - 1) * LINE_BYTES
      if (!(await bytesOf(read.body)).equals(content.subarray(0, size))) wrong.push(version)
    }
    expect(wrong).toEqual([])
  }

  interface Row {
    readonly versionId: string
    readonly nodeId: string
    readonly size: number
    readonly prefixOf: string | null
  }
  const rowsOf = (database: Database, agentId: string): Promise<Row[]> =>
    database.withTenant(
      scope,
      (tx) => tx.query<Row>`
        select version_id, node_id, number, parents, author, size, content_mac, part_ids, key_id, epoch, seq, created_at,
          sealed_length, prefix_of
        from versions where tenant_id = ${tx.tenantId} and agent_id = ${agentId} order by number`,
    )

  /** Sealed bytes of parts and manifests that rows point at, and of lists. */
  const liveBytes = async (agentId: string): Promise<number> => {
    const [row] = await running.database.withTenant(
      scope,
      (tx) => tx.query<{ bytes: number }>`
        select ((select coalesce(sum(sealed_length), 0) from parts where tenant_id = ${tx.tenantId} and agent_id = ${agentId})
          + (select coalesce(sum(sealed_length), 0) from versions where tenant_id = ${tx.tenantId} and agent_id = ${agentId})
          + (select coalesce(sum(size), 0) from objects where tenant_id = ${tx.tenantId} and stream_id = ${agentId}
            and kind = 'prefixes' and state = 'live'))::bigint as bytes`,
    )
    return row?.bytes ?? 0
  }

  const problems = async (agentId: string): Promise<string[]> => {
    const found: string[] = []
    for await (const { problem } of new Fsck({ ...running, clock }).checkTenant(scope, { agentId }))
      found.push(problem)
    return found
  }

  it('[DUR-1] [DUR-6] frees what old versions held alone; each reads as before, also after recovery, and can be restored', async () => {
    const { agentId, content } = await newLog(APPENDS)
    const before = await liveBytes(agentId)
    // Too young to be touched, all of them.
    nowMs += HOUR_MS / 2
    expect(await toEnd(prefixes(), agentId)).toEqual({})
    nowMs += HOUR_MS
    const dry = await prefixes().step(scope, { agentId, dryRun: true, resume: null })
    expect(dry.counts).toEqual({ prefixes: APPENDS })
    expect(await toEnd(prefixes(), agentId)).toMatchObject({ prefixes: APPENDS })
    const after = await liveBytes(agentId)
    expect(after).toBeLessThan(before / 4)
    expect(after - FIRST_BYTES).toBeLessThan(3 * APPENDS * LINE_BYTES)
    await expectSoundObjects(running.database, scope)
    await settle(agentId)
    await expectVersions(running.engine, agentId, content, APPENDS + 1)
    await expectVersions(running.another(), agentId, content, APPENDS + 1)

    // The next run takes the first over.
    const longer = Buffer.concat([content, content.subarray(0, 100 * LINE_BYTES)])
    await append(agentId, longer, 100)
    nowMs += 2 * HOUR_MS
    expect(await toEnd(prefixes(), agentId)).toMatchObject({ prefixes: 100 })
    await settle(agentId)
    const lists = (await objectSums(running.database, scope)).filter(
      ({ kind, state }) => kind === 'prefixes' && state === 'live',
    )
    expect(lists).toHaveLength(1)
    expect(await problems(agentId)).toEqual([])

    for (const version of [200, 1]) {
      await running.engine.files.restore(caller, agentId, { path: 'log', version })
      const { body } = await running.engine.files.read(caller, agentId, { path: 'log' })
      const size = FIRST_BYTES + (version - 1) * LINE_BYTES
      expect((await bytesOf(body)).equals(content.subarray(0, size))).toBe(true)
    }
    await running.pack(caller, agentId)
    expect(await problems(agentId)).toEqual([])

    const { database, engine } = await running.emptyDatabase()
    expect((await recover({ database, resources: running.resources })).losses).toEqual([])
    expect(await rowsOf(database, agentId)).toEqual(await rowsOf(running.database, agentId))
    await expectVersions(engine, agentId, longer, APPENDS + 101)
  }, 180_000)

  for (const point of ['claimed', 'segment-put', 'switched'] as const) {
    it(`[DUR-1] loses nothing when it is killed at ${point}, and the next one finishes`, async () => {
      const { agentId, content } = await newLog(80)
      nowMs += 2 * HOUR_MS
      const killed = prefixes((reached) => {
        if (reached === point) throw new Error('killed')
      })
      await expect(toEnd(killed, agentId)).rejects.toThrow('killed')
      await expectVersions(running.engine, agentId, content, 81)
      await toEnd(prefixes(), agentId)
      await settle(agentId)
      const rows = await rowsOf(running.database, agentId)
      expect(rows.filter(({ prefixOf }) => prefixOf !== null)).toHaveLength(80)
      // By an engine that opened them as they were, too.
      await expectVersions(running.engine, agentId, content, 81)
    }, 60_000)
  }

  it('[DUR-1] fails and loses nothing where it slept past the grace time', async () => {
    const { agentId, content } = await newLog(80)
    nowMs += 2 * HOUR_MS
    const collector = new Collector({ database: running.database, resources: running.resources, clock })
    const asleep = prefixes(async (reached) => {
      if (reached !== 'segment-put') return
      nowMs += 2 * HOUR_MS
      await collector.collectObjects(scope)
      nowMs += 8 * 24 * HOUR_MS
      await collector.collectObjects(scope)
    })
    expect(await toEnd(asleep, agentId)).toEqual({ lost: 1 })
    await expectVersions(running.another(), agentId, content, 81)
    expect(await toEnd(prefixes(), agentId)).toMatchObject({ prefixes: 80 })
  }, 60_000)

  it('reaches every agent of a tenant where none is named, as workers have it', async () => {
    const logs = [await newLog(80), await newLog(80)]
    nowMs += 2 * HOUR_MS
    const dry = await prefixes().step(scope, { agentId: null, dryRun: true, resume: null })
    expect(dry.resume).not.toBeNull()
    expect(await toEnd(prefixes(), null)).toMatchObject({ prefixes: 160 })
    for (const { agentId, content } of logs) await expectVersions(running.another(), agentId, content, 81)
  }, 60_000)

  it('[DUR-1] is safe twice at once, and leaves alone what was not appended', async () => {
    const { agentId, content } = await newLog(80)
    nowMs += 2 * HOUR_MS
    const counts = await Promise.all([toEnd(prefixes(), agentId), toEnd(prefixes(), agentId)])
    expect(counts.reduce((sum, { prefixes: made = 0 }) => sum + made, 0)).toBe(80)
    await expectVersions(running.another(), agentId, content, 81)

    // Each longer than the one before, and not its beginning.
    for (let version = 0; version < 70; version++) {
      nowMs += 1_000
      await running.engine.files.put(caller, agentId, 'other', Buffer.alloc(100 + version, version))
    }
    await running.pack(caller, agentId)
    nowMs += 2 * HOUR_MS
    expect(await toEnd(prefixes(), agentId)).toEqual({})
  }, 60_000)

  it('[CON-3] is a base to write on as any version is', async () => {
    const { agentId, content } = await newLog(80)
    const old = (await rowsOf(running.database, agentId))[39]
    if (old === undefined) throw new Error('version 40 is missing')
    const { nodeId: node, versionId: base, size } = old
    const push = (number: number, previous: string | null, at: number) => {
      const extents = [{ offset: at, data: Uint8Array.from(Buffer.from('EDITED')) }]
      const operations: Operation[] = [{ op: 'write', node, base, version: uuidv7(), size, extents }]
      return running.engine.sync.push(
        caller,
        agentId,
        0,
        { store, number, previous, operations },
        digest(number),
      )
    }
    const store = uuidv7()
    const digest = (number: number) => createHash('sha256').update(`${number}`).digest('hex')
    const expectEdited = async ({ results }: PushAnswer, at: number): Promise<void> => {
      const [result] = results
      if (result?.status !== 'conflict-copy') throw new Error(`the push is ${result?.status}`)
      const edited = Buffer.from(content.subarray(0, size))
      edited.write('EDITED', at)
      const { body } = await running.engine.files.read(caller, agentId, { path: result.name })
      expect((await bytesOf(body)).equals(edited)).toBe(true)
    }
    // Opened here as it was.
    await expectEdited(await push(1, null, 5), 5)
    nowMs += 2 * HOUR_MS
    expect(await toEnd(prefixes(), agentId)).toMatchObject({ prefixes: 80 })
    await expectEdited(await push(2, digest(1), size - 6), size - 6)
    await running.pack(caller, agentId)
    expect(await problems(agentId)).toEqual([])
  }, 60_000)

  it('[DUR-1] goes with its file: deleted past retention nothing of it is left', async () => {
    const { agentId } = await newLog(80)
    nowMs += 2 * HOUR_MS
    await toEnd(prefixes(), agentId)
    await running.engine.files.delete(caller, agentId, 'log', {})
    await running.pack(caller, agentId)
    nowMs += 40 * 24 * HOUR_MS
    const options = { database: running.database, resources: running.resources, clock }
    await toEnd(new RetainChore(options), agentId)
    await toEnd(prefixes(), agentId)
    expect(await rowsOf(running.database, agentId)).toEqual([])
    const live = await liveBytes(agentId)
    expect(live).toBe(0)
  })
})
