import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { openBucket } from '../open-bucket.contract.js'
import { recover } from '../recovery/recover.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'
import { Collector } from './collector.js'
import { decodeKeyLedger } from './key-ledger-format.js'
import { KeyLedger } from './key-ledger.js'

const DAY_MS = 24 * 3_600_000

describe('[ENC-3] the ledger of an agent with more keys than one piece takes', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: { id: string }

  beforeAll(async () => {
    running = await startEngine()
    caller = (await newTenant(running.engine)).caller
    agent = await running.engine.agents.create(caller, { name: 'large' })
  })
  afterAll(() => running.stop())

  /** How many keys and tombstones each piece in the bucket holds that has any of the agent's contents. */
  async function pieces(): Promise<number[]> {
    const { tenantId } = caller.principal.scope
    const counts: number[] = []
    for await (const { key } of running.objectStore.list(`service/tenants/${tenantId}/keys/`)) {
      const { keys, tombstones } = decodeKeyLedger(tenantId, key, await running.objectStore.get(key))
      if (keys.some(({ purpose }) => purpose === 'content')) counts.push(keys.length + tombstones.length)
    }
    return counts
  }

  it('is rewritten in pieces, once, and all of it stands before what was there goes', async () => {
    const { scope } = caller.principal
    const names = Array.from({ length: 9 }, (_, at) => `${at}.md`)
    for (const name of names) {
      await running.engine.files.put(caller, agent.id, name, Buffer.from(`text of ${name}`))
      await running.pack(caller, scope.tenantId)
      await running.pack(caller, agent.id)
    }
    const erased = ['1.md', '4.md', '5.md', '8.md']
    for (const name of erased) await running.engine.files.delete(caller, agent.id, name, { erase: true })
    await running.pack(caller, agent.id)

    const ledger = new KeyLedger(running)
    expect(await ledger.rewrite(scope, { keysMax: 3 })).toBeGreaterThan(0)
    expect(await ledger.rewrite(scope, { keysMax: 3, objectsMax: 2, smallBytes: 100 })).toBe(0)
    const clock = { now: () => Date.now() + 8 * DAY_MS }
    await new Collector({ ...running, clock }).collectObjects(scope)
    const counts = await pieces()
    expect(Math.max(...counts)).toBe(3)
    expect(counts.length).toBeGreaterThanOrEqual(2)

    const { kms } = await running.resources.resolve(scope)
    const { heldKeys, tombstones } = await openBucket(running.objectStore, 'service/', scope.tenantId, kms)
    expect(tombstones.size).toBe(erased.length)
    expect([...tombstones].filter((keyId) => heldKeys.has(keyId))).toEqual([])
    const { database, engine } = await running.emptyDatabase()
    expect((await recover({ database, resources: running.resources })).losses).toEqual([])
    for (const name of names.filter((one) => !erased.includes(one))) {
      const { body } = await engine.files.read(caller, agent.id, { path: name })
      expect(await textOf(body)).toBe(`text of ${name}`)
    }
  })
})
