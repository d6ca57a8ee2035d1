import { arrayLiteral } from './array-literal.js'
import { type Statement, statement } from './statement.js'
import type { TenantTransaction } from './transaction.js'

/** One change of one record, for listing. */
export interface AuditEventRow {
  readonly streamId: string
  readonly epoch: number
  readonly seq: number
  readonly changeIndex: number
  readonly at: Date
  readonly agentId: string | null
  readonly actor: string
  readonly keyId: string | null
  readonly door: string
  readonly addressSealed: Uint8Array | null
  readonly action: string
  readonly path: string | null
  readonly nodeId: string | null
  readonly versionId: string | null
  readonly outcome: string
  readonly requestId: string
  readonly eventId: string
}

/** What a list is cut down to; null is no limit. */
export interface AuditFilter {
  readonly before: string | null
  readonly actor: string | null
  readonly agents: readonly string[] | null
  readonly action: string | null
  readonly path: string | null
  readonly from: Date | null
  readonly to: Date | null
  readonly outcome: string | null
}

/** Adds the events of records that commit with them. */
export function auditEventsInserted(tenantId: string, rows: readonly AuditEventRow[]): Statement {
  const column = <K extends keyof AuditEventRow>(key: K): string => arrayLiteral(rows.map((row) => row[key]))
  return statement`
    insert into audit_events (tenant_id, stream_id, epoch, seq, change_index, at, agent_id, actor, key_id, door,
      address_sealed, action, path, node_id, version_id, outcome, request_id, event_id)
    select ${tenantId}::uuid, e.* from unnest(
      ${column('streamId')}::uuid[], ${column('epoch')}::integer[], ${column('seq')}::bigint[],
      ${column('changeIndex')}::integer[], ${column('at')}::timestamptz[], ${column('agentId')}::uuid[],
      ${column('actor')}::text[], ${column('keyId')}::text[], ${column('door')}::text[],
      ${column('addressSealed')}::bytea[], ${column('action')}::text[], ${column('path')}::text[],
      ${column('nodeId')}::uuid[], ${column('versionId')}::uuid[], ${column('outcome')}::text[],
      ${column('requestId')}::text[], ${column('eventId')}::uuid[]) as e`
}

/** Events with their records' leaves, newest first. */
export function listAuditEvents(
  tx: TenantTransaction,
  filter: AuditFilter,
  limit: number,
): Promise<(AuditEventRow & { readonly leaf: Uint8Array })[]> {
  const agents = filter.agents === null ? null : arrayLiteral(filter.agents)
  return tx.query<AuditEventRow & { leaf: Uint8Array }>`
    select e.stream_id, e.epoch, e.seq, e.change_index, e.at, e.agent_id, e.actor, e.key_id, e.door, e.address_sealed,
      e.action, e.path, e.node_id, e.version_id, e.outcome, e.request_id, e.event_id, r.leaf
    from audit_events e
    join records r on r.tenant_id = e.tenant_id and r.stream_id = e.stream_id and r.epoch = e.epoch and r.seq = e.seq
    where e.tenant_id = ${tx.tenantId}
      and (${filter.before}::uuid is null or e.event_id < ${filter.before}::uuid)
      and (${filter.actor}::text is null or e.actor = ${filter.actor}::text)
      and (${agents}::uuid[] is null or e.agent_id = any (${agents}::uuid[]))
      and (${filter.action}::text is null or e.action = ${filter.action}::text)
      and (${filter.path}::text is null or e.path = ${filter.path}::text or starts_with(e.path, ${filter.path}::text || '/'))
      and (${filter.from}::timestamptz is null or e.at >= ${filter.from}::timestamptz)
      and (${filter.to}::timestamptz is null or e.at < ${filter.to}::timestamptz)
      and (${filter.outcome}::text is null or e.outcome = ${filter.outcome}::text)
    order by e.event_id desc limit ${limit}`
}
