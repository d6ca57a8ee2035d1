import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import {
  loadServices,
  type S3Fault,
  type S3FaultProxy,
  startS3FaultProxy,
  temporaryDirectory,
  type TemporaryDirectory,
} from '@agentfs/testkit'
import { openFilesystemObjectStore } from './filesystem-object-store.js'
import { assertWritable, GuardedObjectStore } from './guarded-object-store.js'
import type { ObjectStore } from './object-store.js'
import { describeObjectStore } from './object-store.contract.js'
import type { S3Patience } from './s3-location.js'
import { S3ObjectStore } from './s3-object-store.js'

let directory: TemporaryDirectory
beforeAll(async () => {
  directory = await temporaryDirectory('guarded')
})
afterAll(async () => directory.remove())

describeObjectStore('guarded filesystem', {
  open: async () => new GuardedObjectStore(await openFilesystemObjectStore(`${directory.path}/contract`)),
})

describe('[OUT-1] a guarded S3', () => {
  const service = loadServices().s3.versitygw
  // A patience that no request should be made to have.
  const patience: S3Patience = {
    connectMs: 60_000,
    answerMs: 60_000,
    attemptMs: 60_000,
    callMs: 60_000,
    attemptsMax: 1,
  }
  const limits = { readMs: 200, writeMs: 200, wholeMs: 200 }
  const key = `guarded/${randomUUID()}`
  const body = Buffer.from('body')
  let proxy: S3FaultProxy
  let inner: ObjectStore
  let nowMs = 0
  let store: GuardedObjectStore

  beforeAll(async () => {
    proxy = await startS3FaultProxy(service.endpoint, { seed: 3 })
    const location = {
      bucket: service.bucket,
      prefix: `guarded-${randomUUID()}`,
      endpoint: proxy.url,
      region: service.region,
      pathStyle: true,
      checksums: 'supported',
    } as const
    inner = new S3ObjectStore(location, service, patience)
    await inner.put(key, body)
  })
  afterAll(async () => {
    proxy.behave({})
    await inner.delete(key)
    await inner.close()
    await proxy.close()
  })
  beforeEach(() => {
    proxy.behave({})
    nowMs = Date.now()
    store = new GuardedObjectStore(inner, { nowMs: () => nowMs, random: () => 0, limits })
  })
  const all = (fault: S3Fault) => proxy.behave({ rules: [{ fault }] })
  const away = { code: 'unavailable', details: { retryAfterSeconds: expect.any(Number) } }
  const reads: [string, () => Promise<unknown>][] = [
    ['get', () => store.get(key)],
    ['getRange', () => store.getRange(key, 0, 4)],
    ['head', () => store.head(key)],
    ['list', () => store.list('')[Symbol.asyncIterator]().next()],
  ]
  const writes: [string, () => Promise<unknown>][] = [
    ['put', () => store.put(key, body)],
    ['putIfAbsent', () => store.putIfAbsent(`${key}-new`, body)],
    ['delete', () => store.delete(`${key}-none`)],
  ]

  it.each([...reads, ...writes])(
    'that hangs holds up one %s for its limit, and later ones not at all',
    async (_, call) => {
      all({ kind: 'hang' })
      await expect(call()).rejects.toMatchObject(away)
      proxy.forget()
      const began = performance.now()
      for (let count = 0; count < 20; count++) await expect(call()).rejects.toMatchObject(away)
      expect(performance.now() - began).toBeLessThan(limits.readMs)
      expect(proxy.requests).toHaveLength(0)
    },
  )

  it('that fails is left alone, and used again by itself once it is back', async () => {
    all({ kind: 'error', status: 503, retryAfterSeconds: 5 })
    await expect(store.get(key)).rejects.toMatchObject(away)
    await expect(store.get(key)).rejects.toMatchObject(away)
    expect(store.circuits.reading.state).toBe('open')
    proxy.behave({})
    nowMs += 4_999
    await expect(store.get(key)).rejects.toMatchObject({ details: { retryAfterSeconds: 1 } })
    nowMs += 1
    const read = await Promise.all([store.get(key), store.getRange(key, 0, 4), store.head(key)])
    expect(read).toHaveLength(3)
    expect(store.circuits.reading).toMatchObject({ state: 'closed', openings: 1, refusals: 1 })
  })

  it('that takes no writes can still be read', async () => {
    proxy.behave({ rules: [{ operations: ['PUT'], fault: { kind: 'error', status: 507 } }] })
    for (let count = 0; count < 3; count++)
      await expect(store.put(`${key}-full`, body)).rejects.toMatchObject(away)
    expect(() => assertWritable(store)).toThrow('away')
    expect(Buffer.from(await store.get(key)).equals(body)).toBe(true)
    expect(() => assertWritable(inner)).not.toThrow()
  })

  it('that refuses us, or lacks what is asked for, is there', async () => {
    all({ kind: 'error', status: 403 })
    for (let count = 0; count < 5; count++)
      await expect(store.get(key)).rejects.toMatchObject({ code: 'internal' })
    proxy.behave({})
    for (let count = 0; count < 5; count++)
      await expect(store.get(`${key}-none`)).rejects.toMatchObject({ code: 'not_found' })
    expect(store.circuits).toMatchObject({ reading: { openings: 0 }, writing: { openings: 0 } })
  })

  it('always asks where it is only to say whether it answers', async () => {
    all({ kind: 'error', status: 503 })
    await store.get(key).catch(() => undefined)
    await store.get(key).catch(() => undefined)
    proxy.behave({})
    await store.probe()
    expect(store.describe().kind).toBe('s3')
  })
})
