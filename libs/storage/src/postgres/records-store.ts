import { arrayLiteral } from './array-literal.js'
import { type Statement, statement } from './statement.js'
import type { TenantTransaction } from './transaction.js'

/** A record to add. */
export interface NewRecordRow {
  readonly recordId: string
  readonly seq: number
  readonly leafIndex: number
  readonly leaf: Uint8Array
  readonly at: Date
  readonly sealed: Uint8Array
}

/** A record as a reader needs it: sealed in the row, or where it, or the block it is in, lies in an object. */
export interface RecordRow {
  readonly recordId: string
  readonly epoch: number
  readonly seq: number
  readonly leaf: Uint8Array
  readonly sealed: Uint8Array | null
  readonly sealedLength: number
  readonly objectId: string | null
  readonly objectOffset: number | null
  readonly objectKey: string | null
  /** The block that holds it with others; place and length are the block's then. */
  readonly blockId: string | null
}

/** Adds records of one stream. */
export function recordsInserted(
  tenantId: string,
  streamId: string,
  epoch: number,
  rows: readonly NewRecordRow[],
): Statement {
  return statement`
    insert into records (tenant_id, stream_id, epoch, record_id, seq, leaf_index, leaf, at, sealed, sealed_length)
    select ${tenantId}::uuid, ${streamId}::uuid, ${epoch}::integer, r.*, length(r.sealed) from unnest(
      ${arrayLiteral(rows.map((row) => row.recordId))}::uuid[],
      ${arrayLiteral(rows.map((row) => row.seq))}::bigint[],
      ${arrayLiteral(rows.map((row) => row.leafIndex))}::bigint[],
      ${arrayLiteral(rows.map((row) => row.leaf))}::bytea[],
      ${arrayLiteral(rows.map((row) => row.at))}::timestamptz[],
      ${arrayLiteral(rows.map((row) => row.sealed))}::bytea[]) as r(record_id, seq, leaf_index, leaf, at, sealed)`
}

/** Records after a seq, in order. */
export function recordsAfter(
  tx: TenantTransaction,
  streamId: string,
  epoch: number,
  since: number,
  limit: number,
): Promise<RecordRow[]> {
  return tx.query<RecordRow>`
    select r.record_id, r.epoch, r.seq, r.leaf, r.sealed, r.sealed_length, r.object_id, r.object_offset, o.object_key,
      r.block_id
    from records r left join objects o on o.tenant_id = r.tenant_id and o.object_id = r.object_id
    where r.tenant_id = ${tx.tenantId} and r.stream_id = ${streamId} and r.epoch = ${epoch} and r.seq > ${since}
    order by r.seq limit ${limit}`
}
