import { randomBytes, randomUUID } from 'node:crypto'
import type { TenantScope } from '@agentfs/access'
import { epochOpened, type ObjectStore, openObjectStore } from '@agentfs/storage'
import { loadServices, objectStoreUrl, type S3FaultProxy, startS3FaultProxy, waitFor } from '@agentfs/testkit'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { Packer } from '../followers/packer.js'
import { PromptPacker } from '../followers/prompt-packer.js'
import { newTenant, type RunningEngine, startEngine } from '../running-engine.contract.js'

const service = loadServices().s3.versitygw

/** No worker runs here: what is stored was packed by the process that was asked. */
describe('a flush', () => {
  let proxy: S3FaultProxy
  let store: ObjectStore
  let running: RunningEngine
  let caller: Caller
  let agent: string

  beforeAll(async () => {
    proxy = await startS3FaultProxy(service.endpoint, { seed: 1 })
    const url = new URL(objectStoreUrl(service, `flush-${randomUUID()}`))
    url.searchParams.set('endpoint', proxy.url)
    store = await openObjectStore(url.href, service)
    running = await startEngine({}, { objectStore: store })
    caller = (await newTenant(running.engine)).caller
  })
  afterAll(async () => {
    proxy.behave({})
    await running.stop()
    await store.close()
    await proxy.close()
  })
  beforeEach(async () => {
    proxy.behave({})
    agent = `agent-${randomUUID()}`
    await running.engine.agents.create(caller, { name: agent })
    await write('first.md')
    await flush()
    proxy.forget()
  })
  const write = (path: string) => running.engine.files.put(caller, agent, path, randomBytes(100))
  const flush = (timeoutMs = 20_000) =>
    running.engine.files.flush(caller, agent, { until: 'stored', timeoutMs })

  it('stores changed files with one PUT, and new ones with two, for their keys', async () => {
    await write('first.md')
    expect(await flush()).toMatchObject({ state: 'stored' })
    expect(proxy.count('PUT')).toBe(1)
    for (let at = 0; at < 20; at++) await write(`new-${at}.md`)
    expect(await flush()).toMatchObject({ state: 'stored' })
    expect(proxy.count('PUT')).toBe(3)
    expect(await flush()).toMatchObject({ state: 'stored' })
    expect(proxy.count('PUT')).toBe(3)
  })

  it('is shared by those who ask at the same time', async () => {
    await write('first.md')
    const answers = await Promise.all(Array.from({ length: 8 }, () => flush()))
    expect(answers.every(({ state }) => state === 'stored')).toBe(true)
    expect(proxy.count('PUT')).toBe(1)
  })

  it('waits no longer than it was told, and what it began goes on', async () => {
    await write('first.md')
    proxy.behave({ latency: { PUT: 1_500 } })
    await expect(flush(100)).rejects.toMatchObject({ code: 'timeout' })
    proxy.behave({})
    expect(await flush()).toMatchObject({ state: 'stored' })
    expect(proxy.count('PUT')).toBe(1)
  })

  describe('[DUR-1] of an epoch that a restore of the service ended', () => {
    let scope: TenantScope
    let streamId: string
    const endEpoch = () =>
      running.database.withTenant(scope, (tx) => tx.run(epochOpened(tx.tenantId, streamId, 1_000)))

    beforeEach(async () => {
      ;({ scope } = caller.principal)
      ;({ id: streamId } = await running.engine.agents.get(caller, agent))
    })

    it('is not said to be stored because the epoch behind it is', async () => {
      await endEpoch()
      await write('first.md')
      const packer = new PromptPacker(new Packer(running))
      expect(await packer.storeThrough(scope, streamId, { epoch: 0, seq: 1_000 })).toBe(false)
    })

    it('ends the wait for a worker', async () => {
      const others = await Promise.all(
        Array.from({ length: 4 }, async (_, at) => {
          const { id } = await running.engine.agents.create(caller, { name: `${agent}-${at}` })
          await running.engine.files.put(caller, id, 'other.md', randomBytes(100))
          return id
        }),
      )
      await write('first.md')
      proxy.behave({ latency: { PUT: 1_500 } })
      const busy = Promise.all(
        others.map((id) => running.engine.files.flush(caller, id, { until: 'stored', timeoutMs: 20_000 })),
      )
      await waitFor(() => proxy.count('PUT') >= 4, { deadlineMs: 5_000, what: 'all lanes to be taken' })
      const flushing = flush(5_000)
      await Promise.all([expect(flushing).rejects.toMatchObject({ code: 'epoch_changed' }), endEpoch()])
      await busy
    })
  })

  it('[OUT-1] says at once that the object store is away, once that is known, and reads of what is stored do too', async () => {
    await write('first.md')
    await flush()
    await write('second.md')
    proxy.behave({ rules: [{ fault: { kind: 'error', status: 503 } }] })
    const cold = running.another()
    const read = () => cold.files.read(caller, agent, { path: 'first.md' })
    const away = { code: 'unavailable', details: { retryAfterSeconds: expect.any(Number) } }
    for (let count = 0; count < 2; count++) {
      await expect(flush()).rejects.toMatchObject(away)
      await expect(read()).rejects.toMatchObject(away)
    }
    proxy.forget()
    const began = performance.now()
    await expect(flush()).rejects.toMatchObject(away)
    await expect(read()).rejects.toMatchObject(away)
    expect(performance.now() - began).toBeLessThan(1_000)
    expect(proxy.requests).toHaveLength(0)
    // What waits in Postgres is read and written all the same, and the workers were asked.
    await write('third.md')
    expect((await cold.files.read(caller, agent, { path: 'third.md' })).size).toBe(100)
    const { id } = await running.engine.agents.get(caller, agent)
    const asked = await running.database.withTenant(
      caller.principal.scope,
      (tx) => tx.query`
        select 1 from streams
        where tenant_id = ${tx.tenantId} and stream_id = ${id} and flush_requested_at is not null`,
    )
    expect(asked).toHaveLength(1)
    proxy.behave({})
    await waitFor(async () => (await flush().catch(() => undefined))?.state === 'stored', {
      deadlineMs: 20_000,
      what: 'the store to be used again',
    })
    const size = await waitFor(async () => (await read().catch(() => undefined))?.size, {
      deadlineMs: 20_000,
      what: 'the store to be read again',
    })
    expect(size).toBe(100)
  }, 60_000)
})
