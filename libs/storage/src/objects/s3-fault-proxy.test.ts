import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import {
  loadServices,
  type S3Fault,
  S3_LATENCY,
  type S3FaultProxy,
  startS3FaultProxy,
} from '@agentfs/testkit'
import type { S3Patience } from './s3-location.js'
import { S3ObjectStore } from './s3-object-store.js'

const once: S3Patience = { connectMs: 500, answerMs: 500, attemptMs: 500, callMs: 5_000, attemptsMax: 1 }

/** What the proxy does to a real server, seen by a client that never tries twice. */
describe.each(Object.entries(loadServices().s3))('the S3 fault proxy before %s', (_, service) => {
  const seed = 7
  let proxy: S3FaultProxy
  let direct: S3ObjectStore
  let store: S3ObjectStore
  const body = randomBytes(100_000)
  const key = () => `faults/${randomUUID()}`

  beforeAll(async () => {
    proxy = await startS3FaultProxy(service.endpoint, { seed })
    const at = (endpoint: string) => ({
      bucket: service.bucket,
      prefix: `fault-proxy-${randomUUID()}`,
      endpoint,
      region: service.region,
      pathStyle: true,
      checksums: 'supported' as const,
    })
    const location = at(proxy.url)
    store = new S3ObjectStore(location, service, once)
    direct = new S3ObjectStore({ ...location, endpoint: service.endpoint }, service)
  })
  afterAll(async () => {
    await Promise.all([store.close(), direct.close()])
    await proxy.close()
  })
  beforeEach(() => {
    proxy.behave({})
    proxy.forget()
  })
  const broken = (fault: S3Fault, times = 1) => proxy.behave({ rules: [{ fault, times }] })
  const listed = async (prefix: string) => {
    const keys: string[] = []
    for await (const one of store.list(prefix)) keys.push(one.key)
    return keys
  }

  it('passes everything while all is well, and counts it by operation', async () => {
    const name = key()
    await store.put(name, body)
    expect(Buffer.from(await store.get(name)).equals(body)).toBe(true)
    expect(await store.head(name)).toEqual({ size: body.length })
    expect(await listed(name)).toEqual([name])
    await store.delete(name)
    const counts = (['PUT', 'GET', 'HEAD', 'LIST', 'DELETE', 'OTHER'] as const).map((one) => proxy.count(one))
    expect([counts, proxy.injected()]).toEqual([[1, 1, 1, 1, 1, 0], 0])
  })

  it.each(Object.entries(S3_LATENCY))(
    'takes as long as an object store does, %s',
    async (_profile, latency) => {
      const name = key()
      const { GET, PUT } = latency
      expect([12, 45]).toContain(GET)
      proxy.behave({ latency })
      const took = async (call: () => Promise<unknown>) => {
        const startedAt = performance.now()
        await call()
        return performance.now() - startedAt
      }
      expect(await took(() => store.put(name, body))).toBeGreaterThanOrEqual(PUT - 1)
      expect(await took(() => store.get(name))).toBeGreaterThanOrEqual(GET - 1)
    },
  )

  it.each<S3Fault>([
    { kind: 'error', status: 503 },
    { kind: 'error', status: 500 },
    { kind: 'error', status: 429, retryAfterSeconds: 3 },
    { kind: 'reset' },
    { kind: 'hang' },
    { kind: 'cutRequest' },
    { kind: 'flipRequest' },
  ])('fails a PUT by %j, of which the server keeps nothing', async (fault) => {
    const name = key()
    broken(fault)
    await expect(store.put(name, body)).rejects.toMatchObject({
      code: 'unavailable',
      details: { retryAfterSeconds: fault.kind === 'error' ? (fault.retryAfterSeconds ?? 2) : 2 },
    })
    expect(await direct.head(name)).toBeNull()
    expect([proxy.injected(fault.kind), proxy.injected()]).toEqual([1, 1])
    expect(await store.putIfAbsent(name, body)).toBe('created')
  })

  it('drops the answer to a PUT that the server has done', async () => {
    const name = key()
    broken({ kind: 'commitThenDrop' })
    await expect(store.putIfAbsent(name, body)).rejects.toMatchObject({ code: 'unavailable' })
    expect(Buffer.from(await direct.get(name)).equals(body)).toBe(true)
  })

  it('flips a bit of what is read: found by the checksum of a whole object, and shown by a range', async () => {
    const name = key()
    await store.put(name, body)
    broken({ kind: 'flipAnswer' })
    await expect(store.get(name)).rejects.toMatchObject({ code: 'unavailable' })
    broken({ kind: 'flipAnswer' })
    const range = Buffer.from(await store.getRange(name, 0, 50_000))
    expect(range.filter((byte, at) => byte !== body[at])).toHaveLength(1)
  })

  it('cuts and slows bodies that are read', async () => {
    const name = key()
    await store.put(name, body)
    broken({ kind: 'cutAnswer' })
    await expect(store.get(name)).rejects.toMatchObject({ code: 'unavailable' })
    broken({ kind: 'slow', bytesPerSecond: 500_000 })
    const startedAt = performance.now()
    expect(Buffer.from(await store.get(name)).equals(body)).toBe(true)
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(180)
  })

  it('lists what was true before', async () => {
    const folder = key()
    await store.put(`${folder}/a&b`, body)
    const stale = { kind: 'staleList', ageMs: 60_000 } as const
    broken(stale)
    expect(await listed(`${folder}/`)).toEqual([])
    expect(await listed(`${folder}/`)).toEqual([`${folder}/a&b`])
    await store.delete(`${folder}/a&b`)
    await store.put(`${folder}/c`, body)
    broken(stale)
    expect(await listed(`${folder}/`)).toEqual([`${folder}/a&b`])
    expect(await listed(`${folder}/`)).toEqual([`${folder}/c`])
  })

  it('meets the keys, the share and the number of calls it is told, the same ones under the same seed', async () => {
    const meet = async () => {
      const again = await startS3FaultProxy(service.endpoint, {
        seed,
        rules: [
          { operations: ['HEAD'], key: /wanted/, probability: 0.3, times: 5, fault: { kind: 'reset' } },
        ],
      })
      const location = {
        bucket: service.bucket,
        prefix: 'seeded',
        endpoint: again.url,
        region: service.region,
      }
      const client = new S3ObjectStore(
        { ...location, pathStyle: true, checksums: 'supported' },
        service,
        once,
      )
      const met: number[] = []
      for (let call = 0; call < 30; call++) {
        await client.head(call % 2 === 0 ? 'wanted' : 'other').catch(() => met.push(call))
      }
      await client.close()
      await again.close()
      return met
    }
    const met = await meet()
    expect(await meet()).toEqual(met)
    expect(met.length).toBeGreaterThan(0)
    expect(met.length).toBeLessThanOrEqual(5)
    expect(met.filter((call) => call % 2 === 1)).toEqual([])
  })
})
