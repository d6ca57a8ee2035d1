import { randomUUID } from 'node:crypto'
import { expect, it } from '@jest/globals'
import { loadServices, objectStoreUrl, type S3Service } from '@agentfs/testkit'
import type { ObjectStore } from './object-store.js'
import { describeObjectStore } from './object-store.contract.js'
import { openObjectStore } from './open-object-store.js'
import { proveObjectStore } from './prove-object-store.js'

const { s3 } = loadServices()
for (const [name, service] of Object.entries(s3)) {
  const url = objectStoreUrl(service, `contract-${randomUUID()}/objects`)
  describeObjectStore(name, {
    open: async () => openObjectStore(url, service),
    openWithWrongCredentials: async () => [
      await openObjectStore(url, { ...service, secretAccessKey: 'x'.repeat(48) }),
      await openObjectStore(url, { ...service, accessKeyId: 'nobody' }),
    ],
    remove: () => removeAll(url, service),
  })

  it(`[OUT-1] ${name}: a missing bucket is an operator's matter, and never a missing object`, async () => {
    const store = await openObjectStore(url.replace('//agentfs/', '//no-such-bucket/'), service)
    const refused = expect.objectContaining({ code: 'internal' })
    await expect(store.probe()).rejects.toEqual(refused)
    await expect(store.get('a')).rejects.toEqual(refused)
    await expect(store.head('a')).rejects.toEqual(refused)
    await expect(store.getRange('a', 0, 1)).rejects.toEqual(refused)
    await expect(store.delete('a')).rejects.toEqual(refused)
    await expect(store.putIfAbsent('a', new Uint8Array(1))).rejects.toEqual(refused)
    await store.close()
  })

  it(`${name}: is proven to create conditionally`, async () => {
    const store = await openObjectStore(url, service)
    await expect(proveObjectStore(store)).resolves.toBeUndefined()
    await store.close()
  })
}

async function removeAll(url: string, service: S3Service): Promise<void> {
  const store: ObjectStore = await openObjectStore(url, service)
  const keys: string[] = []
  for await (const { key } of store.list('')) keys.push(key)
  const worker = async () => {
    for (let key = keys.pop(); key !== undefined; key = keys.pop()) await store.delete(key)
  }
  await Promise.all(Array.from({ length: 16 }, worker))
  await store.close()
}
