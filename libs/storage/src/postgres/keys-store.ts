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

/** The keys of these ids that are neither gone nor tombstoned, by themselves or with their tenant [ENC-3]. */
export function findKeys(tx: TenantTransaction, keyIds: readonly string[]): Promise<KeyRow[]> {
  return tx.query<KeyRow>`
    select k.key_id, k.key_version, k.wrapped from unnest(${arrayLiteral(keyIds)}::uuid[]) as w(id)
    cross join lateral (
      select * from content_keys c where c.tenant_id = ${tx.tenantId} and c.key_id = w.id and not exists (
        select from tombstones t where t.tenant_id = ${tx.tenantId} and t.key_id in (w.id, ${tx.tenantId})) offset 0) k`
}

/**
 * The key that seals a stream's records, unless it is gone or tombstoned, by itself or with its tenant: of an agent's reads, or
 * of the tenant's own affairs.
 */
export async function findStreamKey(
  tx: TenantTransaction,
  readsOf: string | null,
): Promise<KeyRow | undefined> {
  const { tenantId } = tx
  const [row] = await tx.query<KeyRow>`
    select k.key_id, k.key_version, k.wrapped from streams s
    join content_keys k on k.tenant_id = s.tenant_id and k.key_id = s.key_id
    where s.tenant_id = ${tenantId} and k.tenant_id = ${tenantId} and s.stream_id = case when ${readsOf}::uuid is null
        then ${tenantId}::uuid
        else (select stream_id from streams where tenant_id = ${tenantId} and agent_id = ${readsOf}::uuid and kind = 'reads') end
      and not exists (select from tombstones t where t.tenant_id = ${tenantId} and t.key_id in (k.key_id, ${tenantId}))`
  return row
}

/** The id of the tenant's newest key of a purpose; for recovery, which has nothing else to go by. */
export async function findNewestKey(tx: TenantTransaction, purpose: KeyPurpose): Promise<string | undefined> {
  const [row] = await tx.query<{ keyId: string }>`
    select key_id from content_keys where tenant_id = ${tx.tenantId} and purpose = ${purpose} and agent_id is null
    order by key_id desc limit 1`
  return row?.keyId
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

/** Erases keys: tombstones first, then the rows, and the pieces of the key ledger that may hold them are due [ENC-3]. */
export async function eraseKeys(
  tx: TenantTransaction,
  keyIds: readonly string[],
  reason: string,
  at: Date,
): Promise<void> {
  const ids = arrayLiteral(keyIds)
  const { tenantId } = tx
  // In order of their ids, and keys before objects, as whoever writes the ledger does.
  await tx.query`select from content_keys where tenant_id = ${tenantId} and key_id = any (${ids}::uuid[])
    order by key_id for no key update`
  await Promise.all([
    tx.query`
      insert into tombstones (tenant_id, key_id, reason, at)
      select ${tenantId}::uuid, k, ${reason}, ${at}::timestamptz from unnest(${ids}::uuid[]) as k
      on conflict (tenant_id, key_id) do nothing`,
    // The row keeps its place for the foreign keys of parts; what it wrapped is gone.
    tx.query`
      update content_keys set wrapped = ''::bytea where tenant_id = ${tenantId} and key_id = any (${ids}::uuid[])`,
  ])
  await staleLedgers(tx, keyIds)
}

/** Marks the pieces of the key ledger that may hold some keys: those of the keys' agents, of all agents for the tenant's own. */
export async function staleLedgers(tx: TenantTransaction, keyIds: readonly string[]): Promise<void> {
  await tx.query`
    with due as (
      select o.object_id from objects o
      where o.tenant_id = ${tx.tenantId} and o.kind = 'keys' and o.state in ('writing', 'live') and not o.stale
        and exists (
          select from content_keys k
          left join streams s on s.tenant_id = k.tenant_id and s.agent_id = k.agent_id
          where k.tenant_id = ${tx.tenantId} and k.key_id = any (${arrayLiteral(keyIds)}::uuid[])
            and (k.agent_id is null or s.stream_id = o.stream_id))
      order by o.object_id for update)
    update objects o set stale = true from due where o.tenant_id = ${tx.tenantId} and o.object_id = due.object_id`
}

/** Marks every piece of the tenant's key ledger: a key-encryption key changed, which all of them hold. */
export async function staleAllLedgers(tx: TenantTransaction): Promise<void> {
  await tx.query`
    with due as (
      select object_id from objects
      where tenant_id = ${tx.tenantId} and kind = 'keys' and state in ('writing', 'live') and not stale
      order by object_id for update)
    update objects o set stale = true from due where o.tenant_id = ${tx.tenantId} and o.object_id = due.object_id`
}
