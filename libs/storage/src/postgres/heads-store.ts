import { arrayLiteral } from './array-literal.js'
import type { Database } from './database.js'

/** The head of an agent's stream, as the heads role sees it. */
export interface HeadRow {
  readonly tenantId: string
  readonly streamId: string
  readonly epoch: number
  readonly headSeq: number
  readonly grantsVersion: number
  readonly storedEpoch: number
  readonly storedSeq: number
}

/** Heads of streams of any tenants, in one query; crosses tenants, so it shows numbers only [SY-3]. */
export async function headsAcrossTenants(
  database: Database,
  streams: readonly { readonly tenantId: string; readonly streamId: string }[],
): Promise<HeadRow[]> {
  const tenants = arrayLiteral(streams.map(({ tenantId }) => tenantId))
  const ids = arrayLiteral(streams.map(({ streamId }) => streamId))
  return database.acrossTenantsHeads(
    (tx) => tx.query<HeadRow>`
      select s.tenant_id, s.stream_id, s.epoch, s.head_seq, s.grants_version,
        coalesce(f.epoch, 0) as stored_epoch, coalesce(f.seq, 0) as stored_seq
      from unnest(${tenants}::uuid[], ${ids}::uuid[]) as w(tenant_id, stream_id)
      join streams s on s.tenant_id = w.tenant_id and s.stream_id = w.stream_id
      left join followers f on f.tenant_id = s.tenant_id and f.stream_id = s.stream_id and f.follower = 'packer'`,
  )
}

/** Sealed bytes that wait in Postgres, over all tenants [OUT-1]. */
export async function stagedBytesAcrossTenants(database: Database): Promise<number> {
  const [row] = await database.acrossTenantsHeads(
    (tx) => tx.query<{ bytes: number }>`
      select coalesce(sum(staged_bytes), 0)::bigint as bytes from streams where staged_since is not null`,
  )
  return row?.bytes ?? 0
}
