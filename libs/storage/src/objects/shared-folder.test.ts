import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { sharedFolder, type SharedFolder } from '@agentfs/testkit'
import { openFilesystemObjectStore } from './filesystem-object-store.js'
import type { ObjectStore } from './object-store.js'
import { describeObjectStore } from './object-store.contract.js'

const text = (value: string) => new TextEncoder().encode(value)

/** The promises of a folder that several machines share: AGENTFS_SHARED_FOLDERS names two mounts of one that stand for them. */
let folder: SharedFolder
let stores: readonly [ObjectStore, ObjectStore]

beforeAll(async () => {
  folder = await sharedFolder('shared')
  const [first, second] = folder.paths
  stores = [await openFilesystemObjectStore(first), await openFilesystemObjectStore(second)]
})
afterAll(async () => folder.remove())

describeObjectStore('filesystem, each call by another machine than the one before', {
  open: () => Promise.resolve(alternating(stores)),
})

describe('a folder that machines share', () => {
  const fresh = (label: string) => `${label}/${randomUUID()}`

  it('[DUR-2] shows an object to a machine that just found it missing', async () => {
    const [here, there] = stores
    for (const key of [fresh('known-folder'), `${fresh('new')}/folder/deep`]) {
      await here.put(`known-folder/sibling`, text('x'))
      expect(await there.head(key)).toBeNull()
      await expect(there.get(key)).rejects.toMatchObject({ code: 'not_found' })
      await here.putIfAbsent(key, text('here'))
      expect(await there.head(key)).toEqual({ size: 4 })
      expect(Buffer.from(await there.get(key)).toString()).toBe('here')
      expect(Buffer.from(await there.getRange(key, 1, 2)).toString()).toBe('er')
    }
  })

  it('shows a machine that knew the object that it was replaced, deleted, and made anew', async () => {
    const [here, there] = stores
    const key = fresh('changing')
    await here.put(key, text('one'))
    expect(await there.head(key)).toEqual({ size: 3 })
    await here.put(key, text('another'))
    expect(await there.head(key)).toEqual({ size: 7 })
    expect(Buffer.from(await there.get(key)).toString()).toBe('another')
    await here.delete(key)
    expect(await there.head(key)).toBeNull()
    await here.putIfAbsent(key, text('again'))
    expect(await there.head(key)).toEqual({ size: 5 })
    expect(Buffer.from(await there.get(key)).toString()).toBe('again')
  })

  it('deletes what a machine that found it missing does not know of', async () => {
    const [here, there] = stores
    const key = fresh('unknown')
    expect(await there.head(key)).toBeNull()
    await here.put(key, text('x'))
    await there.delete(key)
    expect(await here.head(key)).toBeNull()
  })

  it('writes into a folder that another machine emptied, and made anew', async () => {
    const [here, there] = stores
    const name = fresh('emptied')
    await here.put(`${name}/a`, text('a'))
    expect(await there.head(`${name}/a`)).toEqual({ size: 1 })
    await here.delete(`${name}/a`)
    expect(await there.putIfAbsent(`${name}/b`, text('b'))).toBe('created')
    expect(await here.head(`${name}/b`)).toEqual({ size: 1 })
    await there.delete(`${name}/b`)
    await here.put(`${name}/a`, text('aa'))
    expect(await there.head(`${name}/a`)).toEqual({ size: 2 })
  })

  it('[DUR-2] reads whole objects while another machine replaces them', async () => {
    const [here, there] = stores
    const key = fresh('replaced')
    const bodies = [randomBytes(3 << 20), randomBytes(2 << 20)]
    await here.put(key, bodies[0] ?? Buffer.alloc(0))
    const writing = (async () => {
      for (let round = 0; round < 8; round++) await here.put(key, bodies[round % 2] ?? Buffer.alloc(0))
    })()
    for (let round = 0; round < 8; round++) {
      const read = Buffer.from(await there.get(key))
      expect(bodies.some((body) => body.equals(read))).toBe(true)
    }
    await writing
  })
})

/** Sends each call to the store after the one that had the last. */
function alternating(turns: readonly [ObjectStore, ObjectStore]): ObjectStore {
  let calls = 0
  return new Proxy(turns[0], {
    get: (_, name) => {
      const store = turns[calls++ % 2] ?? turns[0]
      const value: unknown = Reflect.get(store, name)
      return typeof value === 'function' ? (value.bind(store) as unknown) : value
    },
  })
}
