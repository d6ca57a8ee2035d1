import type { Database } from '../database.js'

/** A stream of any tenant that the packer should look at. */
export interface DueStream {
  readonly tenantId: string
  readonly streamId: string
  readonly stagedSince: Date
}

/** When a stream is due. */
export interface DueLimits {
  readonly bytes: number
  readonly stagedBefore: Date
  readonly streamsMax: number
}

/** Reads across tenants, by the role that sees heads and due work and nothing else. */
export class DueStreamsStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** Streams to pack, of all tenants, oldest first: by size, by age, or because a flush was asked for. */
  async dueAcrossTenants(limits: DueLimits): Promise<DueStream[]> {
    return this.#database.acrossTenantsHeads(
      (tx) => tx.query<DueStream>`
      select tenant_id, stream_id, staged_since from streams
      where staged_since is not null
        and (staged_since <= ${limits.stagedBefore} or staged_bytes >= ${limits.bytes} or flush_requested_at is not null)
      order by staged_since limit ${limits.streamsMax}`,
    )
  }

  /** Tenants with a stream that grew beyond its last checkpoint before an instant. */
  async uncheckpointedAcrossTenants(before: Date, limit: number): Promise<string[]> {
    const rows = await this.#database.acrossTenantsHeads(
      (tx) => tx.query<{ tenantId: string }>`
      select tenant_id from streams where checkpoint_since <= ${before}
      group by tenant_id order by min(checkpoint_since) limit ${limit}`,
    )
    return rows.map(({ tenantId }) => tenantId)
  }

  /** Sealed bytes that wait in Postgres, over all tenants, and since when the oldest of them do. */
  async stagedAcrossTenants(): Promise<{ readonly bytes: number; readonly since: Date | null }> {
    const [row] = await this.#database.acrossTenantsHeads(
      (tx) => tx.query<{ bytes: number; since: Date | null }>`
      select coalesce(sum(staged_bytes), 0)::bigint as bytes, min(staged_since) as since
      from streams where staged_since is not null`,
    )
    return row ?? { bytes: 0, since: null }
  }

  /** Ids of tenants after `after`, ascending, at most `limit`. */
  async tenantsAcrossTenants(after: string, limit: number): Promise<string[]> {
    const rows = await this.#database.acrossTenantsHeads(
      (tx) => tx.query<{ tenantId: string }>`
      select distinct tenant_id from streams where tenant_id > ${after} order by tenant_id limit ${limit}`,
    )
    return rows.map(({ tenantId }) => tenantId)
  }
}
