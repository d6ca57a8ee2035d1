import type { LogState } from '@agentfs/audit'
import { arrayLiteral } from '../array-literal.js'
import { PACKER } from '../packing/packer-name.js'
import type { TenantTransaction } from '../transaction.js'

/** Where in the object store a row's sealed bytes stand. */
export interface RowPlace {
  readonly objectId: string
  readonly offset: number
  readonly length: number
}

/** A record as its row is put back; `blockId` where it lies in a block with others. */
export interface StoredRecordRow extends RowPlace {
  readonly recordId: string
  readonly epoch: number
  readonly seq: number
  readonly leafIndex: number
  readonly leaf: Uint8Array
  readonly at: Date
  readonly blockId: string | null
}

/** A version as its row is put back. */
export interface StoredVersionRow {
  readonly versionId: string
  readonly nodeId: string
  readonly number: number
  readonly parents: readonly string[]
  readonly author: string
  readonly size: number
  readonly contentMac: Uint8Array
  readonly partIds: readonly string[]
  readonly keyId: string
  readonly epoch: number
  readonly seq: number
  readonly createdAt: Date
  readonly objectId: string
  readonly offset: number
  readonly length: number
}

/** A part as its row is put back. What no manifest has told yet is null. */
export interface StoredPartRow extends RowPlace {
  readonly partId: string
  readonly nodeId: string
  readonly keyId: string
  readonly size: number
  readonly contentMac: Uint8Array
  readonly epoch: number
  readonly seq: number
  readonly createdAt: Date
  /** Of a page of extents: the parts that it names. */
  readonly partIds: readonly string[] | null
}

/** What is known of a client store's push. */
export interface StoredPushRow {
  readonly storeId: string
  readonly number: number
  readonly digest: Uint8Array
  readonly epoch: number
  readonly seq: number
}

/** A client store's last push with its answer. */
export interface StoredStoreRow extends StoredPushRow {
  readonly answerSealed: Uint8Array
  readonly at: Date
}

const column = <Row>(
  rows: readonly Row[],
  pick: (row: Row) => string | number | Uint8Array | Date | null,
): string => arrayLiteral(rows.map(pick))

/** A list of ids as one text: lists of one column differ in length, which unnest cannot carry. */
const idList = (ids: readonly string[] | null): string | null => (ids === null ? null : `{${ids.join(',')}}`)

/** Puts records back; one that still waits in its row is where the object store has it from now on. */
export async function restoreRecords(
  tx: TenantTransaction,
  streamId: string,
  rows: readonly StoredRecordRow[],
): Promise<void> {
  await tx.query`
    insert into records (tenant_id, stream_id, epoch, seq, record_id, leaf_index, leaf, at, sealed_length, object_id,
      object_offset, block_id)
    select ${tx.tenantId}::uuid, ${streamId}::uuid, r.* from unnest(
      ${column(rows, (row) => row.epoch)}::integer[], ${column(rows, (row) => row.seq)}::bigint[],
      ${column(rows, (row) => row.recordId)}::uuid[], ${column(rows, (row) => row.leafIndex)}::bigint[],
      ${column(rows, (row) => row.leaf)}::bytea[], ${column(rows, (row) => row.at)}::timestamptz[],
      ${column(rows, (row) => row.length)}::integer[], ${column(rows, (row) => row.objectId)}::uuid[],
      ${column(rows, (row) => row.offset)}::bigint[], ${column(rows, (row) => row.blockId)}::uuid[]) as r
    on conflict (tenant_id, stream_id, epoch, seq) do update set sealed = null, sealed_length = excluded.sealed_length,
      object_id = excluded.object_id, object_offset = excluded.object_offset, block_id = excluded.block_id`
}

/** Puts versions back. */
export async function restoreVersions(
  tx: TenantTransaction,
  agentId: string,
  rows: readonly StoredVersionRow[],
): Promise<void> {
  await tx.query`
    insert into versions (tenant_id, agent_id, node_id, version_id, number, parents, author, size, content_mac, part_ids,
      key_id, epoch, seq, created_at, sealed_length, object_id, object_offset)
    select ${tx.tenantId}::uuid, ${agentId}::uuid, v.node_id, v.version_id, v.number, v.parents::uuid[], v.author, v.size,
      v.content_mac, v.part_ids::uuid[], v.key_id, v.epoch, v.seq, v.created_at, v.sealed_length, v.object_id, v.object_offset
    from unnest(
      ${column(rows, (row) => row.nodeId)}::uuid[], ${column(rows, (row) => row.versionId)}::uuid[],
      ${column(rows, (row) => row.number)}::integer[], ${column(rows, (row) => `{${row.parents.join(',')}}`)}::text[],
      ${column(rows, (row) => row.author)}::text[], ${column(rows, (row) => row.size)}::bigint[],
      ${column(rows, (row) => row.contentMac)}::bytea[], ${column(rows, (row) => `{${row.partIds.join(',')}}`)}::text[],
      ${column(rows, (row) => row.keyId)}::uuid[], ${column(rows, (row) => row.epoch)}::integer[],
      ${column(rows, (row) => row.seq)}::bigint[], ${column(rows, (row) => row.createdAt)}::timestamptz[],
      ${column(rows, (row) => row.length)}::integer[], ${column(rows, (row) => row.objectId)}::uuid[],
      ${column(rows, (row) => row.offset)}::bigint[]
    ) as v(node_id, version_id, number, parents, author, size, content_mac, part_ids, key_id, epoch, seq, created_at,
      sealed_length, object_id, object_offset)
    on conflict (tenant_id, agent_id, version_id) do update set sealed = null, sealed_length = excluded.sealed_length,
      object_id = excluded.object_id, object_offset = excluded.object_offset`
}

/** Puts parts back; one that is there takes the place, and the hash where it had none yet. */
export async function restoreParts(
  tx: TenantTransaction,
  agentId: string,
  rows: readonly StoredPartRow[],
): Promise<void> {
  await tx.query`
    insert into parts (tenant_id, agent_id, part_id, node_id, key_id, size, content_mac, epoch, seq, created_at,
      sealed_length, object_id, object_offset, part_ids)
    select ${tx.tenantId}::uuid, ${agentId}::uuid, p.part_id, p.node_id, p.key_id, p.size, p.content_mac, p.epoch, p.seq,
      p.created_at, p.sealed_length, p.object_id, p.object_offset, p.part_ids::uuid[]
    from unnest(
      ${column(rows, (row) => row.partId)}::uuid[], ${column(rows, (row) => row.nodeId)}::uuid[],
      ${column(rows, (row) => row.keyId)}::uuid[], ${column(rows, (row) => row.size)}::integer[],
      ${column(rows, (row) => row.contentMac)}::bytea[], ${column(rows, (row) => row.epoch)}::integer[],
      ${column(rows, (row) => row.seq)}::bigint[], ${column(rows, (row) => row.createdAt)}::timestamptz[],
      ${column(rows, (row) => row.length)}::integer[], ${column(rows, (row) => row.objectId)}::uuid[],
      ${column(rows, (row) => row.offset)}::bigint[], ${column(rows, (row) => idList(row.partIds))}::text[]
    ) as p(part_id, node_id, key_id, size, content_mac, epoch, seq, created_at, sealed_length, object_id, object_offset,
      part_ids)
    on conflict (tenant_id, agent_id, part_id) do update set sealed = null, sealed_length = excluded.sealed_length,
      object_id = excluded.object_id, object_offset = excluded.object_offset,
      content_mac = case when parts.content_mac = '' then excluded.content_mac else parts.content_mac end`
}

/** Tells parts that were put back before any manifest named them what they hash to. */
export async function completeParts(
  tx: TenantTransaction,
  agentId: string,
  facts: readonly Pick<StoredPartRow, 'partId' | 'contentMac' | 'partIds'>[],
): Promise<void> {
  await tx.query`
    update parts p set content_mac = f.mac, part_ids = coalesce(f.part_ids::uuid[], p.part_ids) from unnest(
      ${column(facts, (fact) => fact.partId)}::uuid[], ${column(facts, (fact) => fact.contentMac)}::bytea[],
      ${column(facts, (fact) => idList(fact.partIds))}::text[]) as f(id, mac, part_ids)
    where p.tenant_id = ${tx.tenantId} and p.agent_id = ${agentId} and p.part_id = f.id
      and (p.content_mac = '' or (p.part_ids is null and f.part_ids is not null))`
}

/** Which of some parts have a row. */
export async function partsThere(
  tx: TenantTransaction,
  agentId: string,
  partIds: readonly string[],
): Promise<Set<string>> {
  const rows = await tx.query<{ partId: string }>`
    select part_id from parts where tenant_id = ${tx.tenantId} and agent_id = ${agentId}
      and part_id = any (${arrayLiteral(partIds)}::uuid[])`
  return new Set(rows.map(({ partId }) => partId))
}

/** Puts pushes back, and the last answer of each store. */
export async function restorePushes(
  tx: TenantTransaction,
  agentId: string,
  pushes: readonly StoredPushRow[],
  stores: readonly StoredStoreRow[],
): Promise<void> {
  await tx.query`
    insert into store_pushes (tenant_id, agent_id, store_id, number, digest, epoch, seq)
    select ${tx.tenantId}::uuid, ${agentId}::uuid, p.* from unnest(
      ${column(pushes, (push) => push.storeId)}::uuid[], ${column(pushes, (push) => push.number)}::bigint[],
      ${column(pushes, (push) => push.digest)}::bytea[], ${column(pushes, (push) => push.epoch)}::integer[],
      ${column(pushes, (push) => push.seq)}::bigint[]) as p
    on conflict (tenant_id, agent_id, store_id, number) do nothing`
  await tx.query`
    insert into stores (tenant_id, agent_id, store_id, last_number, last_digest, answer_sealed, updated_at)
    select ${tx.tenantId}::uuid, ${agentId}::uuid, s.* from unnest(
      ${column(stores, (store) => store.storeId)}::uuid[], ${column(stores, (store) => store.number)}::bigint[],
      ${column(stores, (store) => store.digest)}::bytea[], ${column(stores, (store) => store.answerSealed)}::bytea[],
      ${column(stores, (store) => store.at)}::timestamptz[]) as s
    on conflict (tenant_id, agent_id, store_id) do update set last_number = excluded.last_number,
      last_digest = excluded.last_digest, answer_sealed = excluded.answer_sealed, updated_at = excluded.updated_at`
}

/** Moves a stream's head, its log and the packer's cursor to where the rows that were put back end. */
export async function restoreHead(
  tx: TenantTransaction,
  streamId: string,
  head: { readonly epoch: number; readonly seq: number; readonly log: LogState; readonly at: Date },
  now: Date,
): Promise<void> {
  await tx.query`
    update streams set epoch = ${head.epoch}, head_seq = ${head.seq}, merkle_size = ${head.log.size},
      merkle_range = ${head.log.range}, head_at = ${head.at}, staged_bytes = 0, staged_since = null
    where tenant_id = ${tx.tenantId} and stream_id = ${streamId}`
  await tx.query`
    insert into followers (tenant_id, stream_id, follower, epoch, seq, updated_at)
    values (${tx.tenantId}, ${streamId}, ${PACKER}, ${head.epoch}, ${head.seq}, ${now})
    on conflict (tenant_id, stream_id, follower)
    do update set epoch = excluded.epoch, seq = excluded.seq, updated_at = excluded.updated_at`
}
