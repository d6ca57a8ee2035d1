import type { TenantScope } from '@agentfs/access'
import { arrayLiteral } from '../array-literal.js'
import type { Database } from '../database.js'
import type {
  PackableStream,
  StoredPlace,
  StoredPlaces,
  StreamPosition,
  SwitchOutcome,
} from './packing-rows.js'
import { PACKER } from './packer-name.js'
import { readPackableStream, treeOf } from './packing-store.js'
import type { TenantTransaction } from '../transaction.js'

/** A segment whose bytes the object store has. */
export interface StoredSegment {
  readonly objectId: string
  readonly size: number
  readonly checksum: Uint8Array
  /** The last commit it holds. */
  readonly through: StreamPosition
  readonly places: StoredPlaces
  /** Every key that opens something in it. */
  readonly keyIds: readonly string[]
}

/** The moment a stream's commits become *stored*. */
export class SwitchStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /**
   * Points records, versions and parts at a segment, drops their staged bytes and moves the cursor, in one transaction.
   * `seen` is the stream as it was read before the segment was built: where its cursor has moved since, or the object is
   * no longer `writing`, nothing changes but the object, which is dead. Rows that vanished meanwhile stay vanished.
   */
  async switchToSegment(
    scope: TenantScope,
    seen: PackableStream,
    segment: StoredSegment,
    now: Date,
  ): Promise<SwitchOutcome> {
    return this.#database.withTenant(scope, async (tx) => {
      const [object, stream, unledgered] = await lockAndLook(tx, seen.streamId, segment)
      if (object?.state !== 'writing' || stream === undefined || !samePosition(stream.cursor, seen.cursor)) {
        void markDead(tx, segment.objectId, now)
        return { kind: 'lost' }
      }
      // Nothing counts as stored before its key is in the ledger: without it the bucket could not be opened.
      if (unledgered !== undefined) throw new Error(`key ${unledgered} is not in the key ledger`)
      const [bytes, next] = await Promise.all([
        moveRows(tx, seen, segment),
        moveCursor(tx, seen, segment.through, now),
      ])
      // Not awaited: COMMIT travels behind them.
      void tx.query`update objects set state = 'live', size = ${segment.size}, live_bytes = ${bytes}, checksum = ${segment.checksum}
        where tenant_id = ${tx.tenantId} and object_id = ${segment.objectId}`
      void recount(tx, seen, segment.through, bytes, next)
      return { kind: 'stored', bytes, drained: next === undefined }
    })
  }
}

/** The object and the stream as they are under their locks, and a key that the ledger lacks, in one round trip. */
async function lockAndLook(
  tx: TenantTransaction,
  streamId: string,
  { objectId, keyIds }: StoredSegment,
): Promise<[{ state: string } | undefined, PackableStream | undefined, string | undefined]> {
  const { tenantId } = tx
  const [, [object], stream, [missing]] = await Promise.all([
    // The stream first, as every commit does: both change parts, and neither waits for the other while it holds some.
    tx.query`select from streams where tenant_id = ${tenantId} and stream_id = ${streamId} for update`,
    tx.query<{ state: string }>`select state from objects
      where tenant_id = ${tenantId} and object_id = ${objectId} for update`,
    readPackableStream(tx, streamId),
    tx.query<{ id: string }>`
      select key_id::text as id from content_keys
      where tenant_id = ${tenantId} and ledgered_at is null and wrapped <> '' and key_id in (
        select unnest(${arrayLiteral(keyIds)}::uuid[]))
      union all
      select 'kek ' || kek_version from tenant_keks where tenant_id = ${tenantId} and ledgered_at is null
      limit 1`,
  ])
  return [object, stream, missing?.id]
}

function samePosition(one: StreamPosition, other: StreamPosition): boolean {
  return one.epoch === other.epoch && one.seq === other.seq
}

function markDead(tx: TenantTransaction, objectId: string, now: Date): Promise<unknown> {
  return tx.query`update objects set state = 'dead', dead_at = ${now}
    where tenant_id = ${tx.tenantId} and object_id = ${objectId} and state = 'writing'`
}

/** Each row keeps its own seq in the condition: an id that was taken anew meanwhile holds other bytes. */
async function moveRows(
  tx: TenantTransaction,
  seen: PackableStream,
  segment: StoredSegment,
): Promise<number> {
  const { tenantId } = tx
  const { agentId } = treeOf(seen)
  const { objectId, places, through } = segment
  const moved = await Promise.all([
    tx.query<Moved>`
      with moved as (
        update records r set sealed = null, object_id = ${objectId}, object_offset = place.at
        from unnest(${seqs(places.records)}::bigint[], ${offsets(places.records)}::bigint[]) as place (seq, at)
        where r.tenant_id = ${tenantId} and r.stream_id = ${seen.streamId} and r.epoch = ${through.epoch}
          and r.seq = place.seq and r.sealed is not null
        returning r.sealed_length)
      select coalesce(sum(sealed_length), 0)::bigint as bytes from moved`,
    tx.query<Moved>`
      with moved as (
        update versions v set sealed = null, object_id = ${objectId}, object_offset = place.at
        from unnest(${ids(places.versions)}::uuid[], ${seqs(places.versions)}::bigint[], ${offsets(places.versions)}::bigint[])
          as place (id, seq, at)
        where v.tenant_id = ${tenantId} and v.agent_id = ${agentId} and v.version_id = place.id
          and v.epoch = ${through.epoch} and v.seq = place.seq and v.sealed is not null
        returning v.sealed_length)
      select coalesce(sum(sealed_length), 0)::bigint as bytes from moved`,
    tx.query<Moved>`
      with moved as (
        update parts p set sealed = null, object_id = ${objectId}, object_offset = place.at
        from unnest(${ids(places.parts)}::uuid[], ${seqs(places.parts)}::bigint[], ${offsets(places.parts)}::bigint[])
          as place (id, seq, at)
        where p.tenant_id = ${tenantId} and p.agent_id = ${agentId} and p.part_id = place.id
          and p.epoch = ${through.epoch} and p.seq = place.seq and p.sealed is not null
        returning p.sealed_length)
      select coalesce(sum(sealed_length), 0)::bigint as bytes from moved`,
  ])
  return moved.reduce((sum, [row]) => sum + (row?.bytes ?? 0), 0)
}

/** Moves the cursor; gives when the first commit behind it was made, undefined where nothing is left to pack. */
async function moveCursor(
  tx: TenantTransaction,
  seen: PackableStream,
  through: StreamPosition,
  now: Date,
): Promise<Date | undefined> {
  const { tenantId } = tx
  const { streamId } = seen
  const [, [next]] = await Promise.all([
    tx.query`
      insert into followers (tenant_id, stream_id, follower, epoch, seq, updated_at)
      values (${tenantId}, ${streamId}, ${PACKER}, ${through.epoch}, ${through.seq}, ${now})
      on conflict (tenant_id, stream_id, follower)
      do update set epoch = excluded.epoch, seq = excluded.seq, updated_at = excluded.updated_at`,
    tx.query<{ at: Date }>`select at from records
      where tenant_id = ${tenantId} and stream_id = ${streamId} and (epoch, seq) > (${through.epoch}, ${through.seq})
      order by epoch, seq limit 1`,
  ])
  return next?.at
}

/** What the stream's row says of what waits; counted anew where nothing does, so that no drift outlives a drained stream. */
function recount(
  tx: TenantTransaction,
  seen: PackableStream,
  through: StreamPosition,
  bytes: number,
  next: Date | undefined,
): Promise<unknown> {
  const { tenantId } = tx
  const { streamId } = seen
  if (next === undefined) {
    return tx.query`update streams set staged_since = null, flush_requested_at = null, staged_bytes = coalesce((
        select sum(sealed_length) from parts where tenant_id = ${tenantId} and agent_id = ${treeOf(seen).agentId} and sealed is not null), 0)
      where tenant_id = ${tenantId} and stream_id = ${streamId}`
  }
  // A flush asked for what there was when we looked: once that is stored it is done, unless somebody asked again since.
  const flushed = through.epoch === seen.head.epoch && through.seq >= seen.head.seq
  return tx.query`update streams set staged_bytes = greatest(staged_bytes - ${bytes}, 0), staged_since = ${next},
      flush_requested_at = case when ${flushed} and flush_requested_at::text = ${seen.flushRequestedAt ?? ''} then null
        else flush_requested_at end
    where tenant_id = ${tenantId} and stream_id = ${streamId}`
}

interface Moved {
  readonly bytes: number
}

function ids(places: readonly StoredPlace[]): string {
  return arrayLiteral(places.map(({ id }) => id))
}

function seqs(places: readonly StoredPlace[]): string {
  return arrayLiteral(places.map(({ seq }) => seq))
}

function offsets(places: readonly StoredPlace[]): string {
  return arrayLiteral(places.map(({ offset }) => offset))
}
