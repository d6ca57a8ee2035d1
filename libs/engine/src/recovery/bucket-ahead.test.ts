import { uuidv7 } from '@agentfs/contracts'
import { type Database, ObjectRowsStore, PackingStore } from '@agentfs/storage'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import type { Engine } from '../engine.js'
import { ScrubChore } from '../checking/scrub.js'
import { Collector } from '../followers/collector.js'
import { Packer } from '../followers/packer.js'
import type { TenantResources } from '../ports.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'
import { BucketAhead } from './bucket-ahead.js'
import { Generation } from './generation.js'
import { rollForward } from './recover.js'

describe('[DUR-6] a database that lacks less than its count tells', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: { id: string; root: string }

  beforeAll(async () => {
    running = await startEngine()
    caller = (await newTenant(running.engine)).caller
    agent = await running.engine.agents.create(caller, { name: 'kept' })
  })
  afterAll(() => running.stop())

  const put = (engine: Engine, path: string, text: string) =>
    engine.files.put(caller, agent.id, path, Buffer.from(text))
  const storeAll = async (database: Database) => {
    const { scope } = caller.principal
    const ids = [scope.tenantId, agent.id]
    await new PackingStore(database).requestFlush(scope, ids)
    const packer = new Packer({ database, resources: running.resources })
    for (const id of ids) for await (const outcome of packer.advance(scope, id)) void outcome
  }

  it('[SY-4] is looked for where a client is ahead of the head, or pushes on top of what is not there', async () => {
    const claims: string[] = []
    await put(running.engine, 'a.md', 'a')
    await storeAll(running.database)
    const { database } = await running.copyDatabase()
    const engine = running.on(database, (_scope, agentId) => void claims.push(agentId))
    const { seq0, epoch } = await engine.sync.snapshot(caller, agent.id, { limit: 1 })
    await engine.sync.changes(caller, agent.id, { since: seq0, epoch })
    await expect(
      engine.sync.changes(caller, agent.id, { since: seq0, epoch: epoch + 1 }),
    ).rejects.toMatchObject({ code: 'epoch_changed' })
    expect(claims).toEqual([])
    await expect(engine.sync.changes(caller, agent.id, { since: seq0 + 1, epoch })).rejects.toMatchObject({
      code: 'epoch_changed',
    })
    await expect(engine.sync.openFeed(caller, agent.id, { since: seq0 + 1, epoch })).rejects.toMatchObject({
      code: 'epoch_changed',
    })
    const request = {
      store: uuidv7(),
      number: 2,
      previous: 'ab'.repeat(32),
      operations: [
        {
          op: 'create' as const,
          node: uuidv7(),
          kind: 'directory' as const,
          parent: agent.root,
          name: 'later',
        },
      ],
    }
    await expect(engine.sync.push(caller, agent.id, epoch, request, 'cd'.repeat(32))).rejects.toMatchObject({
      code: 'store_forked',
    })
    expect(claims).toEqual([agent.id, agent.id, agent.id])
    // What a client claims is believed where the bucket says so too, and only there.
    const ahead = new BucketAhead({ database, resources: running.resources })
    expect(await ahead.claimed(caller.principal.scope, agent.id)).toBe(false)
  })

  it('is looked for again once another server has taken the place of the database, before anything is stored', async () => {
    const { scope } = caller.principal
    const stream = { streamId: agent.id, agentId: agent.id }
    let listings = 0
    const objectStore = new Proxy(running.objectStore, {
      get(store, name) {
        if (name === 'list') listings++
        const member: unknown = Reflect.get(store, name)
        return typeof member === 'function' ? (member.bind(store) as unknown) : member
      },
    })
    const resources: TenantResources = {
      resolve: async (tenant) => ({ ...(await running.resources.resolve(tenant)), objectStore }),
    }
    const ahead = new BucketAhead({ database: running.database, resources })
    for (let look = 0; look < 3; look++) expect(await ahead.isAhead(scope, stream, Infinity)).toBe(false)
    expect(listings).toBe(1)
    await running.cluster.crash()
    await running.cluster.start()
    for (let look = 0; look < 3; look++) expect(await ahead.isAhead(scope, stream, Infinity)).toBe(false)
    expect(listings).toBe(2)
  })

  it("[ISO-1] what is known of one tenant's stream says nothing of another's", async () => {
    const stream = { streamId: agent.id, agentId: agent.id }
    const other = (await newTenant(running.engine)).caller.principal.scope
    const ahead = new BucketAhead({ database: running.database, resources: running.resources })
    expect(await ahead.isAhead(caller.principal.scope, stream, Infinity)).toBe(false)
    const foreign = `service/tenants/${other.tenantId}/agents/${agent.id}/seg/${uuidv7()}`
    await running.objectStore.put(foreign, new Uint8Array(1))
    expect(await ahead.isAhead(other, stream, Infinity)).toBe(true)
    await running.objectStore.delete(foreign)
  })

  it('is noticed by what the bucket has beyond it, where it lacks only the seconds since the last count', async () => {
    const { scope } = caller.principal
    const of = (database: Database) => new BucketAhead({ database, resources: running.resources })
    await put(running.engine, 'a.md', 'a')
    await storeAll(running.database)
    const backup = await running.copyDatabase()
    expect(await of(backup.database).anywhere()).toBe(false)
    await put(running.engine, 'b.md', 'stored within the minute')
    await storeAll(running.database)
    expect(await of(running.database).anywhere()).toBe(false)
    expect(await of(backup.database).anywhere()).toBe(true)

    // A row of what is only being written, long after, is not how far it knows the bucket.
    const writing = '0fffffff-ffff-7000-8000-000000000001'
    const objectKey = `tenants/${scope.tenantId}/agents/${agent.id}/seg/${writing}`
    const object = { objectId: writing, streamId: agent.id, kind: 'segment', objectKey } as const
    const place = { epoch: 0, firstSeq: 9, lastSeq: 9 }
    await new ObjectRowsStore(backup.database).insertWriting(scope, [{ ...object, ...place }], new Date())
    expect(await of(backup.database).anywhere()).toBe(true)

    // Nothing of the older database is stored: the packer asks first, once for each stream.
    await put(backup.engine, 'c.md', 'of another history')
    const objects = async () => {
      const keys: string[] = []
      for await (const { key } of running.objectStore.list(`service/tenants/${scope.tenantId}/`))
        keys.push(key)
      return keys
    }
    const before = await objects()
    const told: string[] = []
    const ahead = new BucketAhead({
      database: backup.database,
      resources: running.resources,
      onAhead: (_scope, streamId) => void told.push(streamId),
    })
    const packer = new Packer({
      database: backup.database,
      resources: running.resources,
      isBucketAhead: (tenant, stream) => ahead.isAhead(tenant, stream, Infinity),
    })
    await expect(packer.packStream(scope, agent.id)).rejects.toMatchObject({ code: 'unavailable' })
    expect(await objects()).toEqual(before)
    expect(told).toEqual([agent.id])

    const generation = new Generation(backup.database, running.resources)
    await generation.catchUp()
    await generation.distrust()
    expect(await generation.standing()).toMatchObject({ behind: true })
    expect(await generation.countOn()).toBe('behind')
    await rollForward({ database: backup.database, resources: running.resources })
    await generation.catchUp()
    expect(await generation.countOn()).toBe('counted')
    expect(await of(backup.database).anywhere()).toBe(false)
    const { body } = await backup.engine.files.read(caller, agent.id, { path: 'b.md' })
    expect(await textOf(body)).toBe('stored within the minute')
  })

  it('is no alarm for ever where the newest segment is damaged: what was rolled forward over is known', async () => {
    const { scope } = caller.principal
    await put(running.engine, 'c.md', 'c')
    await storeAll(running.database)
    const backup = await running.copyDatabase()
    await put(running.engine, 'd.md', 'lost with its segment')
    await storeAll(running.database)
    const prefix = `service/tenants/${scope.tenantId}/agents/${agent.id}/seg/`
    const segments: string[] = []
    for await (const { key } of running.objectStore.list(prefix)) segments.push(key)
    const newest = segments.sort().at(-1) ?? ''
    const whole = await running.objectStore.get(newest)
    await running.objectStore.put(newest, new Uint8Array(100))
    const ahead = new BucketAhead({ database: backup.database, resources: running.resources })
    expect(await ahead.anywhere()).toBe(true)
    const options = { database: backup.database, resources: running.resources }
    const report = await rollForward(options)
    expect(report.losses).toContainEqual(
      expect.objectContaining({ kind: 'object', detail: expect.stringContaining(newest.slice(-36)) }),
    )
    expect(await ahead.anywhere()).toBe(false)
    // It is kept for whoever can mend it, and named until then.
    const damaged: number[] = []
    await new ScrubChore({ ...options, onDamaged: (objects) => damaged.push(objects) }).step(scope, {
      agentId: null,
      dryRun: false,
      resume: null,
    })
    expect(damaged).toEqual([1])
    await new Collector({ ...options, deadMs: 0 }).collectObjects(scope)
    expect((await running.objectStore.head(newest))?.size).toBe(100)
    await running.objectStore.put(newest, whole)
    expect((await rollForward(options)).losses.filter(({ kind }) => kind === 'object')).toEqual([])
    const [row] = await backup.database.withTenant(
      scope,
      (tx) =>
        tx.query<{ streamId: string }>`select stream_id from objects where object_id = ${newest.slice(-36)}`,
    )
    expect(row?.streamId).toBe(agent.id)
  })
})
