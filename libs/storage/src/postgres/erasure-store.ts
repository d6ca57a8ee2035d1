import { arrayLiteral } from './array-literal.js'
import { eraseKeys } from './keys-store.js'
import type { TenantTransaction } from './transaction.js'

/** What became of an erasure's keys. */
export interface ErasedKeys {
  readonly erased: readonly string[]
  /** Keys that seal something of another file too: a conflict copy shares what it came from. */
  readonly kept: readonly string[]
}

/**
 * Erases the keys of those of some nodes that no name leads to any more: their own, with those passed on to them, and
 * whatever seals a manifest or part of any of their versions. Under the agent's lock. A key that a version of another file
 * needs is kept until that file is erased too; the versions of the erased nodes go then, so that the service opens none.
 */
export async function eraseNodes(
  tx: TenantTransaction,
  agentId: string,
  nodeIds: readonly string[],
  at: Date,
): Promise<ErasedKeys> {
  const nodes = await deletedNodes(tx, agentId, nodeIds)
  const used = await keysUsedBy(tx, agentId, nodes)
  const kept = await keysUsedBeyond(tx, agentId, used, nodes)
  const erased = used.filter((keyId) => !kept.has(keyId))
  if (erased.length > 0) await eraseKeys(tx, erased, 'file erased', at)
  if (kept.size > 0) await dropVersions(tx, agentId, nodes)
  return { erased, kept: [...kept] }
}

/** Erases every key of an agent: of its contents, its records and its reads. */
export async function eraseAgentKeys(tx: TenantTransaction, agentId: string, at: Date): Promise<ErasedKeys> {
  const rows = await tx.query<{ keyId: string }>`
    select key_id from content_keys where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and wrapped <> ''`
  const erased = rows.map(({ keyId }) => keyId)
  if (erased.length > 0) await eraseKeys(tx, erased, 'agent erased', at)
  return { erased, kept: [] }
}

/** A file that has another name lives on, and needs its keys. What became one with a file goes with it. */
async function deletedNodes(
  tx: TenantTransaction,
  agentId: string,
  nodeIds: readonly string[],
): Promise<string[]> {
  const rows = await tx.query<{ nodeId: string }>`
    select node_id from nodes
    where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and node_id = any (${arrayLiteral(nodeIds)}::uuid[])
      and deleted_at is not null
    union
    select a.alias_id from aliases a
    join nodes n on n.tenant_id = a.tenant_id and n.agent_id = a.agent_id and n.node_id = a.node_id
    where a.tenant_id = ${tx.tenantId} and a.agent_id = ${agentId} and a.node_id = any (${arrayLiteral(nodeIds)}::uuid[])
      and n.deleted_at is not null`
  return rows.map(({ nodeId }) => nodeId)
}

async function keysUsedBy(
  tx: TenantTransaction,
  agentId: string,
  nodeIds: readonly string[],
): Promise<string[]> {
  const { tenantId } = tx
  const nodes = arrayLiteral(nodeIds)
  // A part that is a page of extents names parts in its turn.
  const rows = await tx.query<{ keyId: string }>`
    with named as (
      select unnest(v.part_ids) as part_id from versions v
      where v.tenant_id = ${tenantId} and v.agent_id = ${agentId} and v.node_id = any (${nodes}::uuid[])),
    used as (
      select part_id from named
      union select unnest(p.part_ids) from named join parts p
        on p.tenant_id = ${tenantId} and p.agent_id = ${agentId} and p.part_id = named.part_id)
    select k.key_id from content_keys k where k.tenant_id = ${tenantId} and k.wrapped <> '' and k.purpose = 'content'
      and k.agent_id = ${agentId} and (
        k.node_id = any (${nodes}::uuid[])
        or k.key_id in (select v.key_id from versions v
          where v.tenant_id = ${tenantId} and v.agent_id = ${agentId} and v.node_id = any (${nodes}::uuid[]))
        or k.key_id in (select p.key_id from used join parts p
          on p.tenant_id = ${tenantId} and p.agent_id = ${agentId} and p.part_id = used.part_id))`
  return rows.map(({ keyId }) => keyId)
}

async function keysUsedBeyond(
  tx: TenantTransaction,
  agentId: string,
  keyIds: readonly string[],
  nodeIds: readonly string[],
): Promise<Set<string>> {
  const { tenantId } = tx
  const keys = arrayLiteral(keyIds)
  const nodes = arrayLiteral(nodeIds)
  const rows = await tx.query<{ keyId: string }>`
    with named as (
      select unnest(v.part_ids) as part_id from versions v
      where v.tenant_id = ${tenantId} and v.agent_id = ${agentId} and v.node_id <> all (${nodes}::uuid[])),
    used as (
      select part_id from named
      union select unnest(p.part_ids) from named join parts p
        on p.tenant_id = ${tenantId} and p.agent_id = ${agentId} and p.part_id = named.part_id)
    select v.key_id from versions v
    where v.tenant_id = ${tenantId} and v.agent_id = ${agentId} and v.key_id = any (${keys}::uuid[])
      and v.node_id <> all (${nodes}::uuid[])
    union
    select p.key_id from used join parts p
      on p.tenant_id = ${tenantId} and p.agent_id = ${agentId} and p.part_id = used.part_id
    where p.key_id = any (${keys}::uuid[])`
  return new Set(rows.map(({ keyId }) => keyId))
}

async function dropVersions(
  tx: TenantTransaction,
  agentId: string,
  nodeIds: readonly string[],
): Promise<void> {
  const { tenantId } = tx
  await tx.query`
    with gone as (
      delete from versions where tenant_id = ${tenantId} and agent_id = ${agentId}
        and node_id = any (${arrayLiteral(nodeIds)}::uuid[])
      returning object_id, sealed_length),
    freed as (
      select object_id, sum(sealed_length) as bytes from gone where object_id is not null group by object_id),
    held as (
      select o.object_id from objects o where o.tenant_id = ${tenantId} and o.object_id in (select object_id from freed)
      order by o.object_id for update)
    update objects o set live_bytes = greatest(o.live_bytes - freed.bytes, 0) from freed, held
    where o.tenant_id = ${tenantId} and o.object_id = freed.object_id and o.object_id = held.object_id`
}
