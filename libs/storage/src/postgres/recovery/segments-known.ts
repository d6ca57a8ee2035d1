import { arrayLiteral } from '../array-literal.js'
import type { Database } from '../database.js'
import type { TenantTransaction } from '../transaction.js'

/** A stream of some tenant, with the agent whose it is. */
export interface StreamOfTenant {
  readonly tenantId: string
  readonly streamId: string
  readonly agentId: string | null
}

/**
 * The segment in which the last stored commits of a stream stand, by its id, which tells when it was made; undefined before the
 * first. What is only being written, by whoever asks perhaps, and what compaction copied since say nothing of that time.
 */
export async function newestSegmentId(tx: TenantTransaction, streamId: string): Promise<string | undefined> {
  const [row] = await tx.query<{ objectId: string }>`
    select object_id from objects where tenant_id = ${tx.tenantId} and stream_id = ${streamId} and kind = 'segment' and size > 0
    order by epoch desc, last_seq desc, object_id limit 1`
  return row?.objectId
}

/** Which of some objects have no row, in whatever state: nobody that counts on this database wrote them. */
export async function unknownObjects(tx: TenantTransaction, objectIds: readonly string[]): Promise<string[]> {
  const rows = await tx.query<{ objectId: string }>`
    select k as object_id from unnest(${arrayLiteral(objectIds)}::uuid[]) as k
    where not exists (select from objects o where o.tenant_id = ${tx.tenantId} and o.object_id = k)`
  return rows.map(({ objectId }) => objectId)
}

/** Streams of which something was stored last, the newest first, over all tenants. */
export async function lastStoredAcrossTenants(database: Database, limit: number): Promise<StreamOfTenant[]> {
  return database.acrossTenantsHeads(
    (tx) => tx.query<StreamOfTenant>`
      select s.tenant_id, s.stream_id, s.agent_id from streams s
      left join followers f on f.tenant_id = s.tenant_id and f.stream_id = s.stream_id and f.follower = 'packer'
      order by f.updated_at desc nulls last limit ${limit}`,
  )
}
