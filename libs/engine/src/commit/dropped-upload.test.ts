import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Operation, type PushAnswer, uuidv7 } from '@agentfs/contracts'
import { AbandonedUploadsStore } from '@agentfs/storage'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { newTenant, type RunningEngine, startEngine } from '../running-engine.contract.js'

const DEADLINE_MS = 10_000

describe('a push whose uploaded part is dropped while it waits for the lock', () => {
  let running: RunningEngine
  let caller: Caller

  beforeAll(async () => {
    running = await startEngine()
    caller = (await newTenant(running.engine)).caller
  })
  afterAll(() => running.stop())

  const push = (agent: string, operations: Operation[]): Promise<PushAnswer> => {
    const request = { store: uuidv7(), number: 1, previous: null, operations }
    const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    return running.engine.sync.push(caller, agent, 0, request, digest)
  }

  /** Until so many sessions wait for a lock. */
  const waiting = async (count: number): Promise<void> => {
    const endsAt = performance.now() + DEADLINE_MS
    for (;;) {
      const [row] = await running.database.withTenant(
        caller.principal.scope,
        (tx) => tx.query<{ waiting: number }>`
          select count(*)::integer as waiting from pg_stat_activity where wait_event_type = 'Lock'`,
      )
      if ((row?.waiting ?? 0) >= count) return
      if (performance.now() > endsAt) throw new Error(`${row?.waiting} of ${count} sessions wait for a lock`)
      await delay(5)
    }
  }

  it('[SY-13] is answered parts_missing: no version names a part that is gone', async () => {
    const { engine, database } = running
    const { scope } = caller.principal
    const agent = await engine.agents.create(caller, { name: 'late' })
    const [node, part] = [uuidv7(), uuidv7()]
    await engine.sync.putPart(caller, agent.id, { node, part, data: randomBytes(100) })
    // As where the object store was down when the part came: its row has its bytes.
    await database.withTenant(scope, async (tx) => {
      const [object] = await tx.query<{ objectKey: string }>`
        select object_key from objects join parts using (tenant_id, object_id) where part_id = ${part}`
      const sealed = await running.objectStore.get(`service/${object?.objectKey}`)
      await tx.query`
        update parts set object_id = null, object_offset = null, sealed = ${sealed} where part_id = ${part}`
    })

    const held = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const holder = database.withTenant(scope, async (tx) => {
      await tx.query`select from streams where stream_id = ${agent.id} for update`
      held.resolve()
      await release.promise
    })
    await held.promise
    const tomorrow = new Date(Date.now() + 86_400_000)
    const cutoffs = { quietSince: tomorrow, oldestSince: tomorrow }
    const dropping = new AbandonedUploadsStore(database).drop(scope, cutoffs, tomorrow)
    await waiting(1)
    const extents = [{ offset: 0, length: 100, part, partOffset: 0 }]
    const pushing = push(agent.id, [
      { op: 'create', node, kind: 'file', parent: agent.root, name: 'late.bin' },
      { op: 'write', node, base: null, version: uuidv7(), size: 100, extents },
    ])
    await waiting(2)
    release.resolve()
    await holder

    expect(await dropping).toBe(1)
    const { results } = await pushing
    expect(results[1]).toMatchObject({ status: 'parts_missing', parts: [part] })
  })

  it('[SY-13] a part that an earlier push named may be named again', async () => {
    const agent = await running.engine.agents.create(caller, { name: 'again' })
    const [node, part] = [uuidv7(), uuidv7()]
    await running.engine.sync.putPart(caller, agent.id, { node, part, data: randomBytes(100) })
    const extents = [{ offset: 0, length: 100, part, partOffset: 0 }]
    const first = uuidv7()
    await push(agent.id, [
      { op: 'create', node, kind: 'file', parent: agent.root, name: 'again.bin' },
      { op: 'write', node, base: null, version: first, size: 100, extents },
    ])
    const twice = [...extents, { offset: 100, length: 100, part, partOffset: 0 }]
    const { results } = await push(agent.id, [
      { op: 'write', node, base: first, version: uuidv7(), size: 200, extents: twice },
    ])
    expect(results).toMatchObject([{ status: 'applied' }])
  })
})
