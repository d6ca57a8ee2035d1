import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { temporaryDirectory, type TemporaryDirectory } from '@agentfs/testkit'
import { AgentfsError } from '@agentfs/contracts'
import { openFilesystemObjectStore } from './filesystem-object-store.js'
import type { CreateOutcome, ObjectStore } from './object-store.js'
import { proveObjectStore } from './prove-object-store.js'

type Create = (store: ObjectStore, key: string, body: Uint8Array) => Promise<CreateOutcome>

/** Stores of others that promise less than ours need: seen among S3 servers that ignore `If-None-Match: *`. */
describe('the proof that a store can be used', () => {
  let directory: TemporaryDirectory
  let sound: ObjectStore
  beforeAll(async () => {
    directory = await temporaryDirectory('proof')
    sound = await openFilesystemObjectStore(directory.path)
  })
  afterAll(async () => directory.remove())

  const creatingBy = (create: Create): ObjectStore =>
    new Proxy(sound, {
      get: (store, name) => {
        if (name === 'putIfAbsent') return (key: string, body: Uint8Array) => create(store, key, body)
        const value: unknown = Reflect.get(store, name)
        return typeof value === 'function' ? (value.bind(store) as unknown) : value
      },
    })
  const left = async (): Promise<string[]> => {
    const keys: string[] = []
    for await (const { key } of sound.list('')) keys.push(key)
    return keys
  }

  it('passes a sound one, and leaves nothing behind', async () => {
    await proveObjectStore(sound)
    expect(await left()).toEqual([])
  })

  it.each<[string, Create]>([
    ['answers 200 and overwrites', (store, key, body) => store.put(key, body).then(() => 'created')],
    ['answers 412 and overwrites', (store, key, body) => store.put(key, body).then(() => 'exists')],
    [
      'answers 200 and does not overwrite',
      (store, key, body) => store.putIfAbsent(key, body).then(() => 'created'),
    ],
  ])('[DUR-1] refuses one that %s, and leaves nothing behind', async (_, create) => {
    await expect(proveObjectStore(creatingBy(create))).rejects.toMatchObject({
      code: 'internal',
      details: { detail: expect.stringContaining('overwrites on a conditional create') },
    })
    expect(await left()).toEqual([])
  })

  it('tells an operator what to set where the create itself is refused', async () => {
    const refusing = creatingBy(() => Promise.reject(new AgentfsError('internal', { detail: 'refused' })))
    await expect(proveObjectStore(refusing)).rejects.toMatchObject({
      details: { detail: expect.stringContaining('checksums=required') },
    })
  })
})
