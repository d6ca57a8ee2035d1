import { arrayLiteral } from './array-literal.js'
import type { TenantTransaction } from './transaction.js'

/** Sealed bytes of an object that no row points at any more. */
export interface ReleasedBytes {
  readonly objectId: string
  readonly bytes: number
}

/**
 * Takes bytes off what is live in objects of one stream (an agent's has the agent's id), under their rows' locks, after the rows that
 * pointed there are gone; an object without any row left is dead. Whether a row is left is asked, not computed from the count: a wrong count must cost space,
 * never an object that is read. Gives how many died.
 */
export async function releaseBytes(
  tx: TenantTransaction,
  streamId: string,
  released: readonly ReleasedBytes[],
  at: Date,
): Promise<number> {
  if (released.length === 0) return 0
  const { tenantId } = tx
  const ids = arrayLiteral(released.map(({ objectId }) => objectId))
  await tx.query`select from objects where tenant_id = ${tenantId} and object_id = any (${ids}::uuid[])
    order by object_id for update`
  const rows = await tx.query<{ state: string }>`
    update objects o set live_bytes = case when left_over.any_row then greatest(o.live_bytes - freed.bytes, 0) else 0 end,
      state = case when left_over.any_row then o.state else 'dead' end,
      dead_at = case when left_over.any_row then o.dead_at else ${at}::timestamptz end
    from (
      select f.object_id, sum(f.bytes)::bigint as bytes
      from unnest(${ids}::uuid[], ${arrayLiteral(released.map(({ bytes }) => bytes))}::bigint[]) as f(object_id, bytes)
      group by f.object_id) freed
    cross join lateral (
      select exists (select from parts p
          where p.tenant_id = ${tenantId} and p.agent_id = ${streamId} and p.object_id = freed.object_id)
        or exists (select from versions v
          where v.tenant_id = ${tenantId} and v.agent_id = ${streamId} and v.object_id = freed.object_id)
        or exists (select from records r
          where r.tenant_id = ${tenantId} and r.stream_id = ${streamId} and r.object_id = freed.object_id) as any_row) left_over
    where o.tenant_id = ${tenantId} and o.object_id = freed.object_id and o.state = 'live'
    returning o.state`
  return rows.filter(({ state }) => state === 'dead').length
}
