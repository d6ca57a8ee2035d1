import type { TenantScope } from '@agentfs/access'
import { arrayLiteral } from '../array-literal.js'
import type { Database } from '../database.js'
import type { TenantTransaction } from '../transaction.js'

/** A live segment, and how much of it is used. */
export interface LiveSegment {
  readonly objectId: string
  readonly objectKey: string
  readonly streamId: string
  readonly agentId: string | null
  readonly epoch: number
  readonly firstSeq: number
  readonly lastSeq: number
  readonly size: number
  readonly createdAt: Date
  /** Sealed bytes that rows point at. */
  readonly liveBytes: number
  /** How many rows do; of a large segment that is well used, which nobody wants to rewrite, 1. */
  readonly liveEntries: number
}

/** A row whose bytes stand in a segment. */
export interface SegmentRow {
  readonly kind: 'part' | 'manifest' | 'record'
  readonly id: string
  readonly keyId: string
  readonly seq: number
  readonly objectId: string
  readonly objectOffset: number
}

/** Rows of segments, by what they are, each in the order of seqs. */
export interface SegmentRows {
  readonly parts: readonly SegmentRow[]
  readonly manifests: readonly (SegmentRow & { readonly partIds: readonly string[] })[]
  readonly records: readonly SegmentRow[]
}

/** Where a row's bytes stand now, and where they stood. */
export interface MovedRow extends SegmentRow {
  readonly toOffset: number
}

/** A rewritten segment whose bytes the object store has. */
export interface RewrittenSegment {
  readonly objectId: string
  readonly size: number
  readonly checksum: Uint8Array
  readonly replaces: readonly LiveSegment[]
  readonly rows: readonly MovedRow[]
}

/** Segments that are rewritten: reads what is live in them, and switches rows from the old to the new. */
export class CompactionStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** Live segments of one stream after another, in the order of streams, epochs and seqs, after a stream. */
  async nextStream(scope: TenantScope, agentId: string | null, after: string): Promise<string | undefined> {
    const [row] = await this.#database.withTenant(
      scope,
      (tx) => tx.query<{ streamId: string }>`
        select stream_id from streams where tenant_id = ${tx.tenantId} and stream_id > ${after}
          and (${agentId}::uuid is null or agent_id = ${agentId}::uuid)
        order by stream_id limit 1`,
    )
    return row?.streamId
  }

  /**
   * The live segments of a stream, oldest first. Those of blocks are left out: they are full, and nothing in them ever dies.
   * Rows are counted only where less than a share of a segment is used, or where it is small.
   */
  async liveSegments(
    scope: TenantScope,
    streamId: string,
    { liveShareMin, smallBytes }: { readonly liveShareMin: number; readonly smallBytes: number },
  ): Promise<LiveSegment[]> {
    return this.#database.withTenant(
      scope,
      (tx) => tx.query<LiveSegment>`
        select o.object_id, o.object_key, o.stream_id, s.agent_id, o.epoch, o.first_seq, o.last_seq, o.size, o.created_at,
          o.live_bytes, used.entries::integer as live_entries
        from objects o
        join streams s on s.tenant_id = o.tenant_id and s.stream_id = o.stream_id
        cross join lateral (
          select case when o.live_bytes >= o.size * ${liveShareMin}::float8 and o.size >= ${smallBytes}::bigint then 1
            else (select count(*) from records r
              where r.tenant_id = ${tx.tenantId} and r.stream_id = o.stream_id and r.object_id = o.object_id)
            + (select count(*) from versions v
              where v.tenant_id = ${tx.tenantId} and v.agent_id = o.stream_id and v.object_id = o.object_id)
            + (select count(*) from parts p
              where p.tenant_id = ${tx.tenantId} and p.agent_id = o.stream_id and p.object_id = o.object_id) end as entries) used
        where o.tenant_id = ${tx.tenantId} and o.stream_id = ${streamId} and o.kind = 'segment' and o.state = 'live'
          and not exists (select from records r where r.tenant_id = ${tx.tenantId} and r.stream_id = o.stream_id
            and r.object_id = o.object_id and r.block_id is not null)
        order by o.epoch, o.first_seq, o.object_id`,
    )
  }

  /** Every row whose bytes stand in some segments of a stream. */
  async rowsIn(scope: TenantScope, streamId: string, objectIds: readonly string[]): Promise<SegmentRows> {
    const ids = arrayLiteral(objectIds)
    const [parts, manifests, records] = await this.#database.withTenant(scope, (tx) =>
      Promise.all([
        tx.query<SegmentRow>`
          select 'part' as kind, part_id as id, key_id, seq, object_id, object_offset from parts
          where tenant_id = ${tx.tenantId} and agent_id = ${streamId} and object_id = any (${ids}::uuid[]) order by seq, part_id`,
        tx.query<SegmentRows['manifests'][number]>`
          select 'manifest' as kind, version_id as id, key_id, seq, part_ids, object_id, object_offset from versions
          where tenant_id = ${tx.tenantId} and agent_id = ${streamId} and object_id = any (${ids}::uuid[])
          order by seq, version_id`,
        tx.query<SegmentRow>`
          select 'record' as kind, r.record_id as id, s.key_id, r.seq, r.object_id, r.object_offset from records r
          join streams s on s.tenant_id = r.tenant_id and s.stream_id = r.stream_id
          where r.tenant_id = ${tx.tenantId} and r.stream_id = ${streamId} and r.object_id = any (${ids}::uuid[]) order by r.seq`,
      ]),
    )
    return { parts, manifests, records }
  }

  /**
   * Points rows that still stand in the old segments at the new one, and calls the old ones dead, in one transaction under
   * the stream's row and the objects' rows. False, and the new one dead, where it is no longer `writing` (its writer slept
   * past the grace time) or an old one is no longer live (another compaction was first).
   */
  async switchTo(scope: TenantScope, rewritten: RewrittenSegment, now: Date): Promise<boolean> {
    const { objectId, replaces } = rewritten
    const streamId = replaces[0]?.streamId ?? objectId
    const oldIds = replaces.map((old) => old.objectId)
    return this.#database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      // The stream first, as every commit does.
      await tx.query`select from streams where tenant_id = ${tenantId} and stream_id = ${streamId} for update`
      const objects = await tx.query<{ objectId: string; state: string }>`
        select object_id, state from objects
        where tenant_id = ${tenantId} and object_id = any (${arrayLiteral([objectId, ...oldIds])}::uuid[])
        order by object_id for update`
      const state = new Map(objects.map((object) => [object.objectId, object.state]))
      if (state.get(objectId) !== 'writing' || oldIds.some((id) => state.get(id) !== 'live')) {
        await tx.query`update objects set state = 'dead', dead_at = ${now}
          where tenant_id = ${tenantId} and object_id = ${objectId} and state = 'writing'`
        return false
      }
      const moved = await moveRows(tx, streamId, rewritten)
      await tx.query`update objects set state = 'live', size = ${rewritten.size}, live_bytes = ${moved},
        checksum = ${rewritten.checksum} where tenant_id = ${tenantId} and object_id = ${objectId}`
      await requireEmpty(tx, streamId, oldIds)
      await tx.query`update objects set state = 'dead', dead_at = ${now}, live_bytes = 0
        where tenant_id = ${tenantId} and object_id = any (${arrayLiteral(oldIds)}::uuid[])`
      return true
    })
  }

  /** Calls segments dead that no row points at; gives how many. */
  async dropEmpty(
    scope: TenantScope,
    streamId: string,
    objectIds: readonly string[],
    now: Date,
  ): Promise<number> {
    return this.#database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      const ids = arrayLiteral(objectIds)
      await tx.query`select from streams where tenant_id = ${tenantId} and stream_id = ${streamId} for update`
      await tx.query`select from objects where tenant_id = ${tenantId} and object_id = any (${ids}::uuid[])
        order by object_id for update`
      await requireEmpty(tx, streamId, objectIds)
      const dead = await tx.query`update objects set state = 'dead', dead_at = ${now}, live_bytes = 0
        where tenant_id = ${tenantId} and object_id = any (${ids}::uuid[]) and state = 'live' returning object_id`
      return dead.length
    })
  }
}

async function moveRows(
  tx: TenantTransaction,
  streamId: string,
  { objectId, rows }: RewrittenSegment,
): Promise<number> {
  const { tenantId } = tx
  const of = (kind: SegmentRow['kind']): [string, string, string, string] => {
    const some = rows.filter((row) => row.kind === kind)
    return [
      arrayLiteral(some.map(({ id }) => id)),
      arrayLiteral(some.map((row) => row.objectId)),
      arrayLiteral(some.map(({ objectOffset }) => objectOffset)),
      arrayLiteral(some.map(({ toOffset }) => toOffset)),
    ]
  }
  const [parts, versions, records] = [of('part'), of('manifest'), of('record')]
  const moved = await Promise.all([
    tx.query<{ bytes: number }>`with moved as (
      update parts t set object_id = ${objectId}, object_offset = m.at
      from unnest(${parts[0]}::uuid[], ${parts[1]}::uuid[], ${parts[2]}::bigint[], ${parts[3]}::bigint[]) as m(id, old, was, at)
      where t.tenant_id = ${tenantId} and t.agent_id = ${streamId} and t.part_id = m.id and t.object_id = m.old
        and t.object_offset = m.was
      returning t.sealed_length) select coalesce(sum(sealed_length), 0)::bigint as bytes from moved`,
    tx.query<{ bytes: number }>`with moved as (
      update versions t set object_id = ${objectId}, object_offset = m.at
      from unnest(${versions[0]}::uuid[], ${versions[1]}::uuid[], ${versions[2]}::bigint[], ${versions[3]}::bigint[])
        as m(id, old, was, at)
      where t.tenant_id = ${tenantId} and t.agent_id = ${streamId} and t.version_id = m.id and t.object_id = m.old
        and t.object_offset = m.was
      returning t.sealed_length) select coalesce(sum(sealed_length), 0)::bigint as bytes from moved`,
    tx.query<{ bytes: number }>`with moved as (
      update records t set object_id = ${objectId}, object_offset = m.at
      from unnest(${records[0]}::uuid[], ${records[1]}::uuid[], ${records[2]}::bigint[], ${records[3]}::bigint[])
        as m(id, old, was, at)
      where t.tenant_id = ${tenantId} and t.stream_id = ${streamId} and t.record_id = m.id and t.object_id = m.old
        and t.object_offset = m.was
      returning t.sealed_length) select coalesce(sum(sealed_length), 0)::bigint as bytes from moved`,
  ])
  return moved.reduce((sum, [row]) => sum + (row?.bytes ?? 0), 0)
}

/** Throws, and so rolls back, where a row still points at an object that is about to be called dead. */
async function requireEmpty(
  tx: TenantTransaction,
  streamId: string,
  objectIds: readonly string[],
): Promise<void> {
  const { tenantId } = tx
  const ids = arrayLiteral(objectIds)
  const [left] = await tx.query<{ id: string }>`
    select part_id as id from parts where tenant_id = ${tenantId} and agent_id = ${streamId} and object_id = any (${ids}::uuid[])
    union all select version_id from versions
      where tenant_id = ${tenantId} and agent_id = ${streamId} and object_id = any (${ids}::uuid[])
    union all select record_id from records
      where tenant_id = ${tenantId} and stream_id = ${streamId} and object_id = any (${ids}::uuid[])
    limit 1`
  if (left !== undefined) throw new Error(`${left.id} still stands in a segment that was rewritten`)
}
