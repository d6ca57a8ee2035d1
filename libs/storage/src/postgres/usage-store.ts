import type { TenantScope } from '@agentfs/access'
import { arrayLiteral } from './array-literal.js'
import type { Database } from './database.js'

/** Things of one kind and state, counted. */
export interface UsageRow {
  /** A kind of object (`segment`, `part`, `keys`, …), `checkpoint`, or `version`. */
  readonly what: string
  /** Of objects `writing`, `live` or `dead`; of versions `staged`, `stored` or `beginning` (of another one). */
  readonly state: string
  readonly count: number
  /** Of the objects, as they stand in the bucket; 0 of versions. */
  readonly bytes: number
  /** Of these, what rows point at. */
  readonly liveBytes: number
}

/** Sums over all tenants, and since when the oldest of them stands. */
export interface UsageAcrossTenants {
  readonly rows: readonly UsageRow[]
  readonly oldestAt: Date | null
}

/** Counts what stands in the bucket, and keeps the figures for who wants to know them often. */
export class UsageStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** Counts a tenant's objects and versions, by indexes where there are many. */
  async count(scope: TenantScope): Promise<UsageRow[]> {
    return this.#database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      const found = await Promise.all([
        tx.query<UsageRow>`
          select kind as what, state, count(*) as count, coalesce(sum(size), 0)::bigint as bytes,
            coalesce(sum(live_bytes) filter (where state = 'live'), 0)::bigint as live_bytes
          from objects where tenant_id = ${tenantId} and state in ('writing', 'live', 'dead') group by kind, state`,
        tx.query<UsageRow>`
          select 'checkpoint' as what, 'live' as state, count(*) as count, coalesce(sum(octet_length(note)), 0)::bigint as bytes,
            coalesce(sum(octet_length(note)), 0)::bigint as live_bytes
          from audit_checkpoints where tenant_id = ${tenantId} and stored_at is not null`,
        tx.query<UsageRow>`
          select 'version' as what, v.state, v.count, 0::bigint as bytes, 0::bigint as live_bytes from (
            select count(*) as every,
              (select count(*) from versions where tenant_id = ${tenantId} and sealed is not null) as staged,
              (select count(*) from versions where tenant_id = ${tenantId} and prefix_of is not null) as beginning
            from versions where tenant_id = ${tenantId}) n
          cross join lateral (values ('staged', n.staged), ('beginning', n.beginning), ('stored', n.every - n.staged - n.beginning))
            as v(state, count)`,
      ])
      return found.flat()
    })
  }

  /** Keeps what was counted in place of what was counted before. */
  async save(scope: TenantScope, rows: readonly UsageRow[], now: Date): Promise<void> {
    await this.#database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      const column = (pick: (row: UsageRow) => string | number): string => arrayLiteral(rows.map(pick))
      await tx.query`
        insert into storage_usage (tenant_id, what, state, count, bytes, live_bytes, measured_at)
        select ${tenantId}::uuid, u.*, ${now}::timestamptz from unnest(
          ${column(({ what }) => what)}::text[], ${column(({ state }) => state)}::text[],
          ${column(({ count }) => count)}::bigint[], ${column(({ bytes }) => bytes)}::bigint[],
          ${column(({ liveBytes }) => liveBytes)}::bigint[]) as u
        on conflict (tenant_id, what, state) do update set count = excluded.count, bytes = excluded.bytes,
          live_bytes = excluded.live_bytes, measured_at = excluded.measured_at`
      await tx.query`delete from storage_usage where tenant_id = ${tenantId} and measured_at < ${now}`
    })
  }

  /** What was counted last, over all tenants: reads a few rows of each, and counts nothing. */
  async acrossTenants(): Promise<UsageAcrossTenants> {
    return this.#database.acrossTenantsHeads(async (tx) => {
      const [rows, [oldest]] = await Promise.all([
        tx.query<UsageRow>`
          select what, state, sum(count)::bigint as count, sum(bytes)::bigint as bytes, sum(live_bytes)::bigint as live_bytes
          from storage_usage group by what, state order by what, state`,
        tx.query<{ at: Date | null }>`select min(measured_at) as at from storage_usage`,
      ])
      return { rows, oldestAt: oldest?.at ?? null }
    })
  }
}
