import { UsageStore } from '@agentfs/storage'
import { describe, expect, it } from '@jest/globals'
import { useStagedTenant } from '../followers/staged-tenant.contract.js'
import { UsageChore } from './usage-chore.js'

describe('what stands in the bucket', () => {
  const tenant = useStagedTenant()

  it('is counted by kind and state, and summed over tenants without counting again', async () => {
    const { database, scope, clock } = tenant
    const store = new UsageStore(database)
    const usage = new UsageChore({ database, clock })
    const request = { agentId: null, dryRun: false, resume: null }
    expect((await store.acrossTenants()).oldestAt).toBeNull()

    const first = await tenant.commit({ files: 3 })
    await tenant.pack()
    await tenant.commit({ files: 2 })
    const dry = await usage.step(scope, { ...request, dryRun: true })
    expect((await store.acrossTenants()).rows).toEqual([])
    expect((await usage.step(scope, request)).counts).toEqual(dry.counts)
    // A segment of three parts, manifests and a record, and the piece of the ledger that opens them.
    const liveBytes = 3 * 1_112 + 3 * 300 + 200
    const [segment, keys] = [await tenant.live('segment'), await tenant.live('keys')]
    const ledgerBytes = keys.reduce((sum, row) => sum + row.liveBytes, 0)
    expect(dry.counts).toMatchObject({
      objects: 2,
      versions: 5,
      liveBytes: liveBytes + ledgerBytes,
      deadBytes: 0,
    })
    const { rows, oldestAt } = await store.acrossTenants()
    expect(oldestAt).toEqual(new Date(tenant.nowMs))
    const of = (what: string, state: string) => rows.find((row) => row.what === what && row.state === state)
    const key = `bucket/${segment[0]?.objectKey}`
    const size = (await tenant.files.head(key))?.size
    expect(of('segment', 'live')).toMatchObject({ count: 1, bytes: size, liveBytes })
    expect(of('version', 'staged')).toMatchObject({ count: 2 })
    expect(of('version', 'stored')).toMatchObject({ count: 3 })
    expect(of('version', 'beginning')).toMatchObject({ count: 0 })
    expect(first.parts.size).toBe(3)

    // What dies is dead with the next count, and forgotten once it is deleted.
    await database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      void tx.query`delete from parts where tenant_id = ${tenantId} and object_id is not null`
      void tx.query`delete from versions where tenant_id = ${tenantId} and object_id is not null`
      void tx.query`delete from records where tenant_id = ${tenantId} and object_id is not null`
      await tx.query`update objects set state = 'dead', dead_at = ${new Date(tenant.nowMs)}, live_bytes = 0
        where tenant_id = ${tenantId} and kind = 'segment'`
    })
    tenant.nowMs += 1
    expect((await usage.step(scope, request)).counts).toMatchObject({
      versions: 2,
      liveBytes: ledgerBytes,
      deadBytes: size,
    })
    tenant.nowMs += 8 * 86_400_000
    await tenant.collector().collectObjects(scope)
    expect((await usage.step(scope, request)).counts).toMatchObject({ objects: 1, deadBytes: 0 })
    expect((await store.acrossTenants()).rows.filter(({ state }) => state === 'dead')).toEqual([])
  })
})
