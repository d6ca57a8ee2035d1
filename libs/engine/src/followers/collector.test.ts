import { AgentfsError, uuidv7 } from '@agentfs/contracts'
import { type ObjectStore, ObjectRowsStore } from '@agentfs/storage'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { newTenant, type RunningEngine, startEngine } from '../running-engine.contract.js'
import { Collector } from './collector.js'

const DAY_MS = 24 * 3_600_000

describe('the collector', () => {
  let running: RunningEngine

  beforeAll(async () => {
    running = await startEngine()
  })
  afterAll(() => running.stop())

  it('deletes what it can where the store does not let an object go, names that one, and tries it again', async () => {
    const { scope } = (await newTenant(running.engine)).caller.principal
    const rows = new ObjectRowsStore(running.database)
    const longAgo = new Date(Date.now() - 30 * DAY_MS)
    const keys = Array.from({ length: 4 }, () => {
      const objectId = uuidv7()
      return {
        objectId,
        kind: 'segment' as const,
        objectKey: `tenants/${scope.tenantId}/seg/${objectId}`,
        size: 1,
      }
    })
    for (const object of keys) {
      await running.objectStore.put(`service/${object.objectKey}`, new Uint8Array(1))
      await rows.insertDead(scope, object, longAgo)
    }
    const [held] = keys
    let refuses = true
    const objectStore: ObjectStore = new Proxy(running.objectStore, {
      get: (store, name) => {
        const value: unknown = Reflect.get(store, name)
        if (typeof value !== 'function') return value
        if (name !== 'delete') return value.bind(store) as unknown
        return (key: string): Promise<void> =>
          refuses && key.endsWith(held!.objectId)
            ? Promise.reject(new AgentfsError('internal', { detail: 'held' }))
            : store.delete(key)
      },
    })
    const errors: unknown[] = []
    const collector = new Collector({
      database: running.database,
      resources: {
        resolve: async (tenant) => ({ ...(await running.resources.resolve(tenant)), objectStore }),
      },
      log: { warn: () => undefined, error: (_message, facts) => errors.push(facts) },
    })
    expect(await collector.collectObjects(scope)).toMatchObject({ deleted: 3, undeleted: 1 })
    expect(errors).toMatchObject([{ object: held!.objectKey }])
    await expect(collector.collectObjects(scope)).rejects.toMatchObject({ code: 'internal' })
    refuses = false
    expect(await collector.collectObjects(scope)).toMatchObject({ deleted: 1, undeleted: 0 })
    for (const { objectKey } of keys)
      expect(await running.objectStore.head(`service/${objectKey}`)).toBeNull()
  })
})
