import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import {
  EVERYDAY_S3_FAULTS,
  loadServices,
  objectStoreUrl,
  type S3Fault,
  type S3FaultProxy,
  startS3FaultProxy,
} from '@agentfs/testkit'
import { createOrConfirm } from './create-or-confirm.js'
import type { ObjectStore } from './object-store.js'
import { describeObjectStore } from './object-store.contract.js'
import { openObjectStore } from './open-object-store.js'

/** A create whose answer was lost answers `exists`, as the contract allows and its tests do not: it has tests of its own. */
const unheard = ({ kind }: S3Fault) => kind === 'commitThenDrop'
const FAULTS = EVERYDAY_S3_FAULTS.map((rule) => ({
  ...rule,
  fault: [rule.fault].flat().filter((fault) => !unheard(fault) || rule.operations?.includes('PUT') !== true),
}))

for (const [name, service] of Object.entries(loadServices().s3)) {
  describe(`[OUT-1] ${name}, where one call in twenty goes wrong`, () => {
    let proxy: S3FaultProxy
    beforeAll(async () => {
      proxy = await startS3FaultProxy(service.endpoint, { rules: FAULTS })
    })
    afterAll(async () => proxy.close())
    const open = async (prefix: string): Promise<ObjectStore> => {
      const url = new URL(objectStoreUrl(service, prefix))
      url.searchParams.set('endpoint', proxy.url)
      return openObjectStore(url.href, service)
    }

    const prefix = `everyday-faults-${randomUUID()}`
    describeObjectStore(`${name} with faults`, { open: () => open(prefix), faulty: true })

    it('met enough of them to show something', () => {
      expect(proxy.injected()).toBeGreaterThan(20)
    })

    it('[DUR-1] creates confirm what landed unheard, and never take another writer’s bytes for theirs', async () => {
      const store = await open(`unheard-${randomUUID()}`)
      const bodies = Array.from({ length: 10 }, () => randomBytes(2_000))
      for (const [at, body] of bodies.entries()) {
        proxy.behave({ rules: [{ operations: ['PUT'], times: 1, fault: { kind: 'commitThenDrop' } }] })
        expect(await createOrConfirm(store, `object-${at}`, body)).toBe('confirmed')
        proxy.behave({ rules: [{ operations: ['PUT'], times: 1, fault: { kind: 'commitThenDrop' } }] })
        await expect(createOrConfirm(store, `object-${at}`, randomBytes(2_000))).rejects.toMatchObject({
          code: 'already_exists',
        })
        expect(Buffer.from(await store.get(`object-${at}`)).equals(body)).toBe(true)
        await store.delete(`object-${at}`)
      }
      await store.close()
    })
  })
}
