import { createSecretKey, randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { mintTenantScope } from '@agentfs/access'
import { AgentfsError } from '@agentfs/contracts'
import { type Kms, openObject, sealObject } from '@agentfs/crypto'
import { type ObjectStore, openObjectStore } from '@agentfs/storage'
import { loadServices, objectStoreUrl, type S3FaultProxy, startS3FaultProxy } from '@agentfs/testkit'
import { SealedBytes } from './sealed-bytes.js'

const service = loadServices().s3.versitygw
const CACHE_BYTES = 400_000

/** What a read of sealed bytes costs the object store. */
describe('sealed bytes', () => {
  const scope = mintTenantScope(randomUUID())
  const objectKey = `reads/${randomUUID()}`
  const segment = randomBytes(500_000)
  let proxy: S3FaultProxy
  let store: ObjectStore
  let sealed: SealedBytes

  beforeAll(async () => {
    proxy = await startS3FaultProxy(service.endpoint, { seed: 1 })
    const url = new URL(objectStoreUrl(service, `sealed-bytes-${randomUUID()}`))
    url.searchParams.set('endpoint', proxy.url)
    store = await openObjectStore(url.href, service)
    await store.put(objectKey, segment)
  })
  afterAll(async () => {
    proxy.behave({})
    await store.delete(objectKey)
    await store.close()
    await proxy.close()
  })
  beforeEach(() => {
    proxy.behave({})
    proxy.forget()
    // Keys are no matter of this class.
    const kms = undefined as unknown as Kms
    sealed = new SealedBytes(
      { resolve: () => Promise.resolve({ objectStore: store, objectPrefix: '', kms }) },
      CACHE_BYTES,
    )
  })

  const placeAt = (objectOffset: number, sealedLength: number) => ({
    sealed: null,
    objectKey,
    objectOffset,
    sealedLength,
  })
  const read = (id: string, from: number, length: number) =>
    sealed.open(scope, id, placeAt(from, length), (bytes) => Buffer.from(bytes))

  it('a cold read is one GET of exactly its range, and the next one none', async () => {
    const id = randomUUID()
    expect((await read(id, 1_000, 1_024)).equals(segment.subarray(1_000, 2_024))).toBe(true)
    expect(await read(id, 1_000, 1_024)).toHaveLength(1_024)
    expect([proxy.count('GET'), proxy.count('HEAD')]).toEqual([1, 0])
    expect(proxy.requests[0]?.headers['range']).toBe('bytes=1000-2023')
  })

  it('64 readers of one range share one GET', async () => {
    const id = randomUUID()
    proxy.behave({ latency: { GET: 20 } })
    const all = await Promise.all(Array.from({ length: 64 }, () => read(id, 0, 1_024)))
    expect(all.every((bytes) => bytes.equals(segment.subarray(0, 1_024)))).toBe(true)
    expect(proxy.count('GET')).toBe(1)
  })

  it('[OUT-1] a failure reaches those who waited for it, and is not kept', async () => {
    const id = randomUUID()
    await proxy.close()
    const failed = await Promise.allSettled([read(id, 0, 10), read(id, 0, 10)])
    await proxy.listen()
    for (const one of failed)
      expect(one).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } })
    expect(await read(id, 0, 10)).toHaveLength(10)
  }, 20_000)

  it('holds no more bytes than it may, and lets the oldest go first', async () => {
    const ids = Array.from({ length: 6 }, () => randomUUID())
    for (const id of ids) await read(id, 0, CACHE_BYTES / 5)
    proxy.forget()
    await read(ids[5] ?? '', 0, CACHE_BYTES / 5)
    expect(proxy.count('GET')).toBe(0)
    await read(ids[0] ?? '', 0, CACHE_BYTES / 5)
    expect(proxy.count('GET')).toBe(1)
  })

  it('[ENC-2] bytes damaged on their way are fetched anew, and damaged ones never kept', async () => {
    const key = { keyId: randomUUID(), keyVersion: 1, key: createSecretKey(randomBytes(32)) }
    const binding = { kind: 'part', tenantId: scope.tenantId, objectId: randomUUID(), ...key } as const
    const plain = randomBytes(1_000)
    const body = sealObject(binding, plain)
    const damagedKey = `reads/${randomUUID()}`
    await store.put(damagedKey, body)
    const place = { sealed: null, objectKey: damagedKey, objectOffset: 0, sealedLength: body.length }
    const open = () => sealed.open(scope, binding.objectId, place, (bytes) => openObject(binding, bytes))

    proxy.behave({ rules: [{ operations: ['GET'], fault: { kind: 'flipAnswer' } }] })
    await expect(open()).rejects.toBeInstanceOf(AgentfsError)
    proxy.behave({ rules: [{ operations: ['GET'], fault: { kind: 'flipAnswer' }, times: 1 }] })
    proxy.forget()
    expect((await open()).equals(plain)).toBe(true)
    expect(proxy.count('GET')).toBe(2)
    expect((await open()).equals(plain)).toBe(true)
    expect(proxy.count('GET')).toBe(2)
    await store.delete(damagedKey)
  })
})
