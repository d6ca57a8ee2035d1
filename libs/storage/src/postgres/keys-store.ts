import { arrayLiteral } from './array-literal.js'
import { type Statement, statement } from './statement.js'
import type { TenantTransaction } from './transaction.js'

/** What a key is for. */
export type KeyPurpose = 'content' | 'stream' | 'subject' | 'audit'

/** A key wrapped by the tenant's KEK. */
export interface KeyRow {
  readonly keyId: string
  readonly keyVersion: number
  readonly wrapped: Uint8Array
}

/** A key to add, with whom it belongs to. */
export interface NewKeyRow extends KeyRow {
  readonly purpose: KeyPurpose
  readonly agentId: string | null
  readonly nodeId: string | null
  readonly kekVersion: number
}

/** Adds keys beside what they seal. */
export function keysInserted(tenantId: string, rows: readonly NewKeyRow[], at: Date): Statement {
  return statement`
    insert into content_keys (tenant_id, key_id, purpose, agent_id, node_id, key_version, kek_version, wrapped, created_at)
    select ${tenantId}::uuid, k.*, ${at}::timestamptz from unnest(
      ${arrayLiteral(rows.map((row) => row.keyId))}::uuid[],
      ${arrayLiteral(rows.map((row) => row.purpose))}::text[],
      ${arrayLiteral(rows.map((row) => row.agentId))}::uuid[],
      ${arrayLiteral(rows.map((row) => row.nodeId))}::uuid[],
      ${arrayLiteral(rows.map((row) => row.keyVersion))}::integer[],
      ${arrayLiteral(rows.map((row) => row.kekVersion))}::integer[],
      ${arrayLiteral(rows.map((row) => row.wrapped))}::bytea[]) as k`
}

/** Sends `keysInserted`. */
export function insertKeys(tx: TenantTransaction, rows: readonly NewKeyRow[], at: Date): Promise<unknown> {
  return tx.run(keysInserted(tx.tenantId, rows, at))
}

/** The keys of these ids that are neither gone nor tombstoned [ENC-3]. */
export function findKeys(tx: TenantTransaction, keyIds: readonly string[]): Promise<KeyRow[]> {
  return tx.query<KeyRow>`
    select k.key_id, k.key_version, k.wrapped from unnest(${arrayLiteral(keyIds)}::uuid[]) as w(id)
    cross join lateral (
      select * from content_keys c where c.tenant_id = ${tx.tenantId} and c.key_id = w.id and not exists (
        select from tombstones t where t.tenant_id = ${tx.tenantId} and t.key_id = w.id) offset 0) k`
}

/** Passes a node's keys to the node it became one with. */
export function passKeys(
  tx: TenantTransaction,
  agentId: string,
  from: readonly string[],
  to: readonly string[],
): Promise<unknown> {
  return tx.query`
    update content_keys k set node_id = p.survivor
    from unnest(${arrayLiteral(from)}::uuid[], ${arrayLiteral(to)}::uuid[]) as p(lost, survivor)
    where k.tenant_id = ${tx.tenantId} and k.agent_id = ${agentId} and k.node_id = p.lost`
}

/** The ids of the keys of an agent's nodes; clients choose node ids, so that two agents may have one of the same id. */
export async function keysOfNodes(
  tx: TenantTransaction,
  agentId: string,
  nodeIds: readonly string[],
): Promise<string[]> {
  const rows = await tx.query<{ keyId: string }>`
    select key_id from content_keys
    where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and node_id = any (${arrayLiteral(nodeIds)}::uuid[])
      and purpose = 'content'`
  return rows.map(({ keyId }) => keyId)
}

/** The ids of the keys of those nodes that no name leads to any more. */
export async function keysOfDeletedNodes(
  tx: TenantTransaction,
  agentId: string,
  nodeIds: readonly string[],
): Promise<string[]> {
  const rows = await tx.query<{ keyId: string }>`
    select k.key_id from content_keys k
    where k.tenant_id = ${tx.tenantId} and k.agent_id = ${agentId} and k.node_id = any (${arrayLiteral(nodeIds)}::uuid[])
      and k.purpose = 'content' and exists (select from nodes n where n.tenant_id = ${tx.tenantId} and n.agent_id = ${agentId}
        and n.node_id = k.node_id and n.deleted_at is not null)`
  return rows.map(({ keyId }) => keyId)
}

/** Erases keys: tombstones first, then the rows [ENC-3]. */
export function eraseKeys(
  tx: TenantTransaction,
  keyIds: readonly string[],
  reason: string,
  at: Date,
): Promise<unknown> {
  const ids = arrayLiteral(keyIds)
  void tx.query`
    insert into tombstones (tenant_id, key_id, reason, at)
    select ${tx.tenantId}::uuid, k, ${reason}, ${at}::timestamptz from unnest(${ids}::uuid[]) as k
    on conflict (tenant_id, key_id) do nothing`
  // The row keeps its place for the foreign keys of parts; what it wrapped is gone.
  return tx.query`
    update content_keys set wrapped = ''::bytea where tenant_id = ${tx.tenantId} and key_id = any (${ids}::uuid[])`
}

/** Those of some keys that seal parts of other living files too: a conflict copy shares the parts it came from. */
export async function keysSharedBeyond(
  tx: TenantTransaction,
  agentId: string,
  keyIds: readonly string[],
  nodeIds: readonly string[],
): Promise<Set<string>> {
  const rows = await tx.query<{ keyId: string }>`
    with named as (
      select unnest(v.part_ids) as part_id from versions v
      join nodes n on n.tenant_id = v.tenant_id and n.agent_id = v.agent_id and n.node_id = v.node_id
      where v.tenant_id = ${tx.tenantId} and v.agent_id = ${agentId} and v.node_id <> all (${arrayLiteral(nodeIds)}::uuid[])
        and n.deleted_at is null and n.head_version = v.version_id),
    used as (
      select part_id from named
      union select unnest(p.part_ids) from named join parts p
        on p.tenant_id = ${tx.tenantId} and p.agent_id = ${agentId} and p.part_id = named.part_id)
    select distinct p.key_id from parts p join used on used.part_id = p.part_id
    where p.tenant_id = ${tx.tenantId} and p.agent_id = ${agentId} and p.key_id = any (${arrayLiteral(keyIds)}::uuid[])`
  return new Set(rows.map(({ keyId }) => keyId))
}
