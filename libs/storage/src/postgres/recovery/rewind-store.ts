import { PACKER } from '../packing/packer-name.js'
import { arrayLiteral } from '../array-literal.js'
import type { TenantTransaction } from '../transaction.js'

/** Ids of a stream's records from one seq of an epoch to another, by seq. */
export async function recordIds(
  tx: TenantTransaction,
  streamId: string,
  range: { readonly epoch: number; readonly from: number; readonly to: number },
): Promise<Map<number, string>> {
  const rows = await tx.query<{ seq: number; recordId: string }>`
    select seq, record_id from records where tenant_id = ${tx.tenantId} and stream_id = ${streamId}
      and epoch = ${range.epoch} and seq between ${range.from} and ${range.to}`
  return new Map(rows.map(({ seq, recordId }) => [seq, recordId]))
}

/** Live segments and parts of some streams, as rows have them. */
export async function liveObjectIds(
  tx: TenantTransaction,
  streamIds: readonly string[],
): Promise<{ readonly objectId: string; readonly objectKey: string }[]> {
  return tx.query<{ objectId: string; objectKey: string }>`
    select object_id, object_key from objects where tenant_id = ${tx.tenantId}
      and stream_id = any (${arrayLiteral(streamIds)}::uuid[]) and kind in ('segment', 'part') and state = 'live'
      and live_bytes > 0`
}

/** Takes a stream back to its beginning: its records, events and cursor go, so that another history can be folded. */
export async function dropStreamRows(tx: TenantTransaction, streamId: string): Promise<void> {
  const { tenantId } = tx
  await tx.query`delete from audit_events where tenant_id = ${tenantId} and stream_id = ${streamId}`
  await tx.query`delete from records where tenant_id = ${tenantId} and stream_id = ${streamId}`
  await tx.query`delete from followers where tenant_id = ${tenantId} and stream_id = ${streamId} and follower = ${PACKER}`
  await tx.query`
    update streams set epoch = 0, head_seq = 0, merkle_size = 0, merkle_range = ''::bytea, staged_bytes = 0,
      staged_since = null, flush_requested_at = null
    where tenant_id = ${tenantId} and stream_id = ${streamId}`
}

/** Empties an agent's tree, with its versions, parts and pushes. */
export async function dropTreeRows(tx: TenantTransaction, agentId: string): Promise<void> {
  const { tenantId } = tx
  await tx.query`delete from store_pushes where tenant_id = ${tenantId} and agent_id = ${agentId}`
  await tx.query`delete from stores where tenant_id = ${tenantId} and agent_id = ${agentId}`
  await tx.query`delete from parts where tenant_id = ${tenantId} and agent_id = ${agentId}`
  await tx.query`delete from versions where tenant_id = ${tenantId} and agent_id = ${agentId}`
  await tx.query`delete from aliases where tenant_id = ${tenantId} and agent_id = ${agentId}`
  await tx.query`delete from entries where tenant_id = ${tenantId} and agent_id = ${agentId}`
  await tx.query`delete from nodes where tenant_id = ${tenantId} and agent_id = ${agentId}`
}
