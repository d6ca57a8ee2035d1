import { randomBytes } from 'node:crypto'
import { uuidv7 } from '@agentfs/contracts'
import { type ObjectStore, openFilesystemObjectStore } from '@agentfs/storage'
import { temporaryDirectory } from '@agentfs/testkit'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { newTenant, type RunningEngine, startEngine } from '../running-engine.contract.js'

describe('parts ahead of their push', () => {
  let running: RunningEngine
  let caller: Caller

  beforeAll(async () => {
    running = await startEngine()
    caller = (await newTenant(running.engine)).caller
  })
  afterAll(() => running.stop())

  it("[ENC-3] of one node id share their key within an agent, never with another agent's", async () => {
    const { agents, sync } = running.engine
    const one = await agents.create(caller, { name: 'one' })
    const other = await agents.create(caller, { name: 'other' })
    const node = uuidv7()
    const keyOf = async (agent: string): Promise<string | undefined> => {
      const part = uuidv7()
      await sync.putPart(caller, agent, { node, part, data: randomBytes(10) })
      const [row] = await running.database.withTenant(
        caller.principal.scope,
        (tx) => tx.query<{ keyId: string }>`select key_id from parts where part_id = ${part}`,
      )
      return row?.keyId
    }
    const own = await keyOf(one.id)
    expect(await keyOf(one.id)).toBe(own)
    expect(await keyOf(other.id)).not.toBe(own)
  })

  it('keep their bytes where an earlier attempt stored them: the last one may still be writing', async () => {
    const directory = await temporaryDirectory('parts')
    const folder = await openFilesystemObjectStore(directory.path)
    const sent: Uint8Array[] = []
    const objectStore: ObjectStore = new Proxy(folder, {
      get: (store, name) => {
        const value: unknown = Reflect.get(store, name)
        if (typeof value !== 'function') return value
        if (name !== 'putIfAbsent') return value.bind(store) as unknown
        return async (key: string, body: Uint8Array) => {
          if (body.length > 200_000) {
            sent.push(body)
            await store.putIfAbsent(key, body)
          }
          return store.putIfAbsent(key, body)
        }
      },
    })
    const other = await startEngine({}, { objectStore })
    try {
      const { caller: owner } = await newTenant(other.engine)
      const { id } = await other.engine.agents.create(owner, { name: 'one' })
      await other.engine.sync.putPart(owner, id, {
        node: uuidv7(),
        part: uuidv7(),
        data: randomBytes(200_000),
      })
      expect(sent.map(({ length }) => length > 200_000)).toEqual([true])
    } finally {
      await other.stop()
      await directory.remove()
    }
  })
})
