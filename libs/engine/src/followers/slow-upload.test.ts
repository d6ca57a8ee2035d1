import { createHash, randomBytes } from 'node:crypto'
import { type Operation, uuidv7 } from '@agentfs/contracts'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { newTenant, type RunningEngine, startEngine } from '../running-engine.contract.js'
import { Collector } from './collector.js'

const HOUR_MS = 3_600_000

describe('[SY-13] an upload that takes longer than a part waits for its push', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: { id: string; root: string }
  let nowMs = Date.now()
  const clock = { now: () => nowMs }

  beforeAll(async () => {
    running = await startEngine({}, { clock })
    caller = (await newTenant(running.engine)).caller
    agent = await running.engine.agents.create(caller, { name: 'slow' })
  })
  afterAll(() => running.stop())

  const upload = async (node: string): Promise<string> => {
    const part = uuidv7()
    await running.engine.sync.putPart(caller, agent.id, { node, part, data: randomBytes(100) })
    return part
  }
  const collect = async () => {
    const { database, resources } = running
    return new Collector({ database, resources, clock }).collectObjects(caller.principal.scope)
  }

  it('keeps its first parts for as long as others of the file arrive, and is given up a day after the last', async () => {
    const [node, other] = [uuidv7(), uuidv7()]
    const abandoned = await upload(other)
    const parts = [await upload(node)]
    for (let day = 0; day < 3; day++) {
      nowMs += 20 * HOUR_MS
      parts.push(await upload(node))
      await collect()
    }
    const all = [abandoned, ...parts]
    expect(await running.engine.sync.missingParts(caller, agent.id, all)).toEqual([abandoned])
    const extents = parts.map((part, index) => ({ offset: index * 100, length: 100, part, partOffset: 0 }))
    const operations: Operation[] = [
      { op: 'create', node, kind: 'file', parent: agent.root, name: 'slow.bin' },
      { op: 'write', node, base: null, version: uuidv7(), size: parts.length * 100, extents },
    ]
    const request = { store: uuidv7(), number: 1, previous: null, operations }
    const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    const { results } = await running.engine.sync.push(caller, agent.id, 0, request, digest)
    expect(results[1]).toMatchObject({ status: 'applied' })

    const late = [await upload(other)]
    nowMs += 20 * HOUR_MS
    late.push(await upload(other))
    nowMs += 25 * HOUR_MS
    expect(await collect()).toMatchObject({ uploadsDropped: 2 })
    expect(await running.engine.sync.missingParts(caller, agent.id, late)).toEqual(late)
  })

  it('is given up all the same after a month, however often a part arrives', async () => {
    const node = uuidv7()
    const first = await upload(node)
    for (let day = 0; day < 32; day++) {
      nowMs += 23 * HOUR_MS
      await upload(node)
      await collect()
    }
    expect(await running.engine.sync.missingParts(caller, agent.id, [first])).toEqual([first])
  })
})
