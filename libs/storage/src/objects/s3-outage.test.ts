import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { type Fault, type FaultProxy, loadServices, startFaultProxy } from '@agentfs/testkit'
import type { S3Patience } from './s3-location.js'
import { S3ObjectStore } from './s3-object-store.js'

const { versitygw } = loadServices().s3
const patience: S3Patience = { connectMs: 500, answerMs: 500, attemptMs: 500, callMs: 10_000, attemptsMax: 3 }

describe('[OUT-1] an S3 that fails', () => {
  let proxy: FaultProxy
  let store: S3ObjectStore
  const body = randomBytes(200_000)
  const key = () => `outage/${randomUUID()}`

  beforeAll(async () => {
    proxy = await startFaultProxy(versitygw.endpoint)
    const location = {
      bucket: versitygw.bucket,
      prefix: `outage-${randomUUID()}`,
      endpoint: proxy.url,
      region: versitygw.region,
      pathStyle: true,
      checksums: 'supported',
    } as const
    store = new S3ObjectStore(location, versitygw, patience)
  })
  afterAll(async () => {
    await store.close()
    await proxy.close()
  })
  beforeEach(() => {
    proxy.rule = () => ({ kind: 'pass' })
    proxy.requests.length = 0
  })

  /** The fault for the first so many requests, then all is well. */
  const first = (count: number, fault: Fault) => {
    proxy.rule = () => (proxy.requests.length <= count ? fault : { kind: 'pass' })
  }
  const unavailable = (object: string) =>
    expect.objectContaining({
      code: 'unavailable',
      details: expect.objectContaining({ object, retryAfterSeconds: expect.any(Number) }),
    })

  it.each<[string, Fault]>([
    ['a reset connection', { kind: 'reset' }],
    ['no answer', { kind: 'hang' }],
    ['503', { kind: 'answer', status: 503 }],
    ['500', { kind: 'answer', status: 500 }],
    ['429', { kind: 'answer', status: 429 }],
    ['a conflict with another conditional write', { kind: 'answer', status: 409 }],
  ])('rides out %s', async (_, fault) => {
    const name = key()
    first(2, fault)
    expect(await store.putIfAbsent(name, body)).toBe('created')
    expect(proxy.count('PUT')).toBe(3)
    expect(Buffer.from(await store.get(name)).equals(body)).toBe(true)
  })

  it.each<[string, Fault]>([
    ['a reset connection', { kind: 'reset' }],
    ['no answer', { kind: 'hang' }],
    ['503', { kind: 'answer', status: 503 }],
  ])('says unavailable, and when to ask again, where %s lasts', async (_, fault) => {
    proxy.rule = () => fault
    const name = key()
    const calls = [
      store.putIfAbsent(name, body),
      store.put(name, body),
      store.get(name),
      store.getRange(name, 0, 1),
      store.getRange(name, 0, 0),
      store.head(name),
      store.delete(name),
    ]
    const outcomes = await Promise.allSettled(calls)
    for (const outcome of outcomes) expect(outcome).toEqual({ status: 'rejected', reason: unavailable(name) })
    await expect(store.probe()).rejects.toEqual(unavailable(''))
  })

  it('says unavailable where nothing listens, and works again when it does', async () => {
    const name = key()
    await proxy.close()
    await expect(store.putIfAbsent(name, body)).rejects.toEqual(unavailable(name))
    await proxy.listen()
    expect(await store.putIfAbsent(name, body)).toBe('created')
  })

  it('answers exists, never created twice, when the answer to a create that landed was lost [DUR-1]', async () => {
    const name = key()
    first(1, { kind: 'loseAnswer' })
    expect(await store.putIfAbsent(name, body)).toBe('exists')
    expect(Buffer.from(await store.get(name)).equals(body)).toBe(true)
  })

  it('reads a body again that broke off, and never hands out half of it [DUR-2]', async () => {
    const name = key()
    await store.put(name, body)
    proxy.requests.length = 0
    first(2, { kind: 'cutAnswer', afterBytes: 70_000 })
    expect(Buffer.from(await store.get(name)).equals(body)).toBe(true)
    proxy.requests.length = 0
    first(2, { kind: 'cutAnswer', afterBytes: 5_000 })
    expect(Buffer.from(await store.getRange(name, 1_000, 90_000)).equals(body.subarray(1_000, 91_000))).toBe(
      true,
    )
    proxy.rule = () => ({ kind: 'cutAnswer', afterBytes: 70_000 })
    await expect(store.get(name)).rejects.toEqual(unavailable(name))
  })

  it('passes on how long the store asks to be left alone', async () => {
    proxy.rule = () => ({ kind: 'answer', status: 503, headers: { 'retry-after': '1' } })
    const name = key()
    await expect(store.get(name)).rejects.toMatchObject({ details: { retryAfterSeconds: 1 } })
  })

  it('stops at once when the caller gives up', async () => {
    proxy.rule = () => ({ kind: 'hang' })
    const caller = new AbortController()
    const call = store.get(key(), { signal: caller.signal })
    caller.abort(new Error('gave up'))
    await expect(call).rejects.toThrow('gave up')
    expect(proxy.requests.length).toBeLessThanOrEqual(1)
  })

  it('sends a checksum with the bytes, for the store to check', async () => {
    const name = key()
    await store.put(name, body)
    const seen = proxy.requests.find(({ method }) => method === 'PUT')
    expect(Object.keys(seen?.headers ?? {})).toContain('x-amz-checksum-crc32')
  })
})
