import { RetentionStore } from '@agentfs/storage'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'

const DAY_MS = 24 * 3_600_000
const ZERO_ID = '00000000-0000-0000-0000-000000000000'
const LIMITS = { nodesMax: 500, versionsMax: 5 }

describe('[DUR-1] deleted files past their window', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: { id: string }

  beforeAll(async () => {
    running = await startEngine()
    caller = (await newTenant(running.engine)).caller
    agent = await running.engine.agents.create(caller, { name: 'kept' })
  })
  afterAll(() => running.stop())

  it('are forgotten a bounded number of versions at a time, each file with its last, and nothing else goes', async () => {
    const { files } = running.engine
    const { scope } = caller.principal
    for (const path of ['gone.md', 'gone-too.md', 'stays.md'])
      for (let number = 0; number < 12; number++)
        await files.put(caller, agent.id, path, Buffer.from(`${path} ${number}`))
    await files.delete(caller, agent.id, 'gone.md', {})
    await files.delete(caller, agent.id, 'gone-too.md', {})
    await running.pack(caller, agent.id)
    const count = async () =>
      (
        await running.database.withTenant(
          scope,
          (tx) => tx.query`select 1 from versions where agent_id = ${agent.id}`,
        )
      ).length
    const tombstones = async () =>
      (await running.database.withTenant(scope, (tx) => tx.query`select 1 from tombstones`)).length
    const later = new Date(Date.now() + 40 * DAY_MS)
    const kept = new Date(0)
    const cutoffs = {
      allSince: kept,
      dailySince: kept,
      deletedSince: new Date(later.getTime() - 30 * DAY_MS),
    }
    const store = new RetentionStore(running.database)
    const left: number[] = []
    let forgotten = 0
    for (let more = true; more;) {
      const plan = await store.plan(scope, agent.id, cutoffs, ZERO_ID, LIMITS)
      expect(plan.versionIds.length).toBeLessThanOrEqual(LIMITS.versionsMax + 2)
      const pruned = await store.prune(scope, plan, cutoffs, later)
      forgotten += pruned.filesForgotten
      left.push(await count())
      // Their keys go first, while all their versions tell which those are.
      expect(await tombstones()).toBe(2)
      ;({ more } = plan)
    }
    expect(left).toEqual([31, 26, 21, 16, 12])
    expect(forgotten).toBe(2)
    const { body } = await files.read(caller, agent.id, { path: 'stays.md' })
    expect(await textOf(body)).toBe('stays.md 11')
  })
})
