import type { TenantScope } from '@agentfs/access'
import type { Database } from '@agentfs/storage'
import { expect } from '@jest/globals'

interface ObjectSums {
  readonly objectKey: string
  readonly kind: string
  readonly state: string
  readonly size: number
  readonly liveBytes: number
  readonly pointedBytes: number
}

/** Objects with what rows really point at in them. */
export async function objectSums(database: Database, scope: TenantScope): Promise<ObjectSums[]> {
  return database.withTenant(
    scope,
    (tx) => tx.query<ObjectSums>`
      with rows as (
        select object_id, sealed_length from parts where tenant_id = ${tx.tenantId}
        union all select object_id, sealed_length from versions where tenant_id = ${tx.tenantId}
        union all select object_id, sealed_length from (
          select distinct on (coalesce(block_id, record_id)) object_id, sealed_length from records
          where tenant_id = ${tx.tenantId}) r)
      select o.object_key, o.kind, o.state, o.size, o.live_bytes,
        coalesce((select sum(r.sealed_length) from rows r where r.object_id = o.object_id), 0)::bigint as pointed_bytes
      from objects o where o.tenant_id = ${tx.tenantId} order by o.object_id`,
  )
}

/** Rows point at live objects only, each object counts what is live in it, and what nothing points at is dead. */
export async function expectSoundObjects(database: Database, scope: TenantScope): Promise<void> {
  const objects = (await objectSums(database, scope)).filter(
    ({ kind }) => kind === 'segment' || kind === 'part',
  )
  const live = objects.filter(({ state }) => state === 'live')
  expect(live.map(({ liveBytes }) => liveBytes)).toEqual(live.map(({ pointedBytes }) => pointedBytes))
  expect(live.filter(({ pointedBytes }) => pointedBytes === 0)).toEqual([])
  expect(objects.filter(({ state, pointedBytes }) => state !== 'live' && pointedBytes > 0)).toEqual([])
}
