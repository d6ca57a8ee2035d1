import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { Collector } from '../followers/collector.js'
import { ledgerKey, segmentKey } from '../followers/object-keys.js'
import { OrphansChore } from '../maintenance/index.js'
import { newTenant, type RunningEngine, startEngine } from '../running-engine.contract.js'
import { ScrubChore } from './index.js'

const DAY_MS = 24 * 3_600_000

describe('what workers look after in the object store', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: { id: string }
  let nowMs: number

  beforeAll(async () => {
    running = await startEngine()
  })
  afterAll(() => running.stop())
  beforeEach(async () => {
    nowMs = Date.now()
    caller = (await newTenant(running.engine)).caller
    agent = await running.engine.agents.create(caller, { name: 'scrubbed' })
    await running.engine.files.put(caller, agent.id, 'a.md', Buffer.from('a'))
    await running.pack(caller, agent.id)
  })

  const options = () => ({ ...running, clock: { now: () => nowMs } })
  const request = { agentId: null, dryRun: false, resume: null }

  async function objects(): Promise<string[]> {
    const keys: string[] = []
    const { tenantId } = caller.principal.scope
    for await (const { key } of running.objectStore.list(`service/tenants/${tenantId}/`)) keys.push(key)
    return keys
  }

  it('[ENC-2] reads every object back once in a while, and keeps naming a damaged one until it is mended', async () => {
    const logged: unknown[] = []
    const damaged: number[] = []
    const scrub = new ScrubChore({
      ...options(),
      bytesPerSecond: 0,
      onDamaged: (count) => damaged.push(count),
      log: { warn: () => undefined, error: (_message, facts) => logged.push(facts) },
    })
    const { scope } = caller.principal
    const all = (await objects()).length
    expect((await scrub.step(scope, request)).counts).toMatchObject({ objects: all, damaged: 0 })
    expect((await scrub.step(scope, request)).counts).toMatchObject({ objects: 0 })

    nowMs += 31 * DAY_MS
    const key = (await objects()).find((name) => name.includes('/seg/'))!
    const whole = await running.objectStore.get(key)
    const rotten = Buffer.from(whole)
    rotten[200] = rotten[200]! ^ 1
    await running.objectStore.put(key, rotten)
    expect((await scrub.step(scope, request)).counts).toMatchObject({ objects: all, damaged: 1 })
    expect((await scrub.step(scope, request)).counts).toMatchObject({ objects: 1, damaged: 1 })
    expect(logged).toHaveLength(2)
    expect(logged[0]).toMatchObject({ tenant: scope.tenantId, object: key.replace('service/', '') })
    await running.objectStore.put(key, whole)
    expect((await scrub.step(scope, request)).counts).toMatchObject({ objects: 1, damaged: 0 })
    expect(damaged).toEqual([1, 1, 0])
  })

  it('[DUR-1] reads a bounded amount in a step, and goes on from there', async () => {
    const scrub = new ScrubChore({ ...options(), stepBytesMax: 1, bytesPerSecond: 0 })
    const first = await scrub.step(caller.principal.scope, request)
    expect(first).toMatchObject({ counts: { objects: 1 }, resume: '1' })
    const second = await scrub.step(caller.principal.scope, { ...request, resume: first.resume })
    expect(second.counts).toMatchObject({ objects: 1 })
  })

  it('[DUR-1] an orphan goes after its grace; nothing newer, nothing ahead of the database, nothing of others does', async () => {
    const { scope } = caller.principal
    const segment = (await objects()).find((key) => key.includes('/seg/'))!
    const put = (key: string, body: Uint8Array) => running.objectStore.put(`service/${key}`, body)
    const old = nowMs - 60 * DAY_MS
    const orphan = ledgerKey(scope, idOf(old))
    const kept = [
      ledgerKey(scope, idOf(nowMs - DAY_MS)),
      segmentKey(scope, agent.id, idOf(old)),
      `tenants/${scope.tenantId}/keys/notes.txt`,
    ]
    await put(orphan, Buffer.from('{}'))
    // Under another's name it cannot be read, and is not touched.
    for (const key of kept) await put(key, await running.objectStore.get(segment))
    const before = await objects()
    expect(await new OrphansChore(options()).step(scope, request)).toMatchObject({ counts: { orphans: 1 } })
    const collect = () => new Collector(options()).collectObjects(scope)
    await collect()
    expect(await objects()).toEqual(before)
    nowMs += 8 * DAY_MS
    await collect()
    expect(await objects()).toEqual(before.filter((key) => key !== `service/${orphan}`))
  })
})

/** An id that was drawn at an instant: the service's own never go back in time. */
function idOf(atMs: number): string {
  const time = atMs.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${randomBytes(6).toString('hex')}`
}
