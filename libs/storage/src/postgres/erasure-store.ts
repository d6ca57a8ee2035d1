import { arrayLiteral } from './array-literal.js'
import { eraseKeys } from './keys-store.js'
import { type ReleasedBytes, releaseBytes } from './release-bytes.js'
import { type DeletedRow, partsOnlyOf } from './retention/free-parts.js'
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
 * needs is kept until that file is erased too; the versions of the erased nodes go then, with the parts that no other names, so
 * that the service opens none.
 */
export async function eraseNodes(
  tx: TenantTransaction,
  agentId: string,
  nodeIds: readonly string[],
  at: Date,
): Promise<ErasedKeys> {
  const nodes = await deletedNodes(tx, agentId, nodeIds)
  const used = await keysUsedBy(tx, agentId, nodes)
  const kept = used.length === 0 ? new Set<string>() : await keysUsedBeyond(tx, agentId, used, nodes)
  const erased = used.filter((keyId) => !kept.has(keyId))
  if (erased.length > 0) await eraseKeys(tx, erased, 'file erased', at)
  if (kept.size > 0) {
    const released = await dropVersions(tx, agentId, await versionsOf(tx, agentId, nodes))
    await releaseBytes(tx, agentId, released, at)
  }
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

/**
 * The contents of nodes that were erased by a commit, as far as no tombstone keeps them from opening: the key of a version is
 * shared, and the version goes instead. For recovery, which finds them in the bucket again; it counts objects anew itself.
 */
export async function dropErasedContents(
  tx: TenantTransaction,
  agentId: string,
  erased: readonly { readonly nodeId: string; readonly epoch: number; readonly seq: number }[],
): Promise<void> {
  const { tenantId } = tx
  const nodeIds = arrayLiteral(erased.map(({ nodeId }) => nodeId))
  const rows = await tx.query<{ versionId: string }>`
    select v.version_id from unnest(
      ${nodeIds}::uuid[], ${arrayLiteral(erased.map(({ epoch }) => epoch))}::integer[],
      ${arrayLiteral(erased.map(({ seq }) => seq))}::bigint[]) as e(node_id, epoch, seq)
    join versions v on v.tenant_id = ${tenantId} and v.agent_id = ${agentId} and (v.epoch, v.seq) <= (e.epoch, e.seq)
      and (v.node_id = e.node_id or v.node_id in (select alias_id from aliases
        where tenant_id = ${tenantId} and agent_id = ${agentId} and node_id = e.node_id))
    where not exists (select from tombstones t where t.tenant_id = ${tenantId} and t.key_id = v.key_id)`
  const versionIds = rows.map(({ versionId }) => versionId)
  await dropVersions(tx, agentId, versionIds)
  // Else it would be a head that is missing.
  await tx.query`
    update nodes set head_version = null where tenant_id = ${tenantId} and agent_id = ${agentId}
      and node_id = any (${nodeIds}::uuid[]) and head_version = any (${arrayLiteral(versionIds)}::uuid[])`
}

async function versionsOf(
  tx: TenantTransaction,
  agentId: string,
  nodeIds: readonly string[],
): Promise<string[]> {
  const rows = await tx.query<{ versionId: string }>`
    select version_id from versions where tenant_id = ${tx.tenantId} and agent_id = ${agentId}
      and node_id = any (${arrayLiteral(nodeIds)}::uuid[])`
  return rows.map(({ versionId }) => versionId)
}

/** Deletes versions, and the parts that they alone name; gives what stood in the object store. */
async function dropVersions(
  tx: TenantTransaction,
  agentId: string,
  versionIds: readonly string[],
): Promise<ReleasedBytes[]> {
  const { tenantId } = tx
  if (versionIds.length === 0) return []
  const partIds = await partsOnlyOf(tx, agentId, versionIds)
  const gone = await tx.query<DeletedRow>`
    with gone_versions as (
      delete from versions where tenant_id = ${tenantId} and agent_id = ${agentId}
        and version_id = any (${arrayLiteral(versionIds)}::uuid[]) returning object_id, sealed_length),
    gone_parts as (
      delete from parts where tenant_id = ${tenantId} and agent_id = ${agentId}
        and part_id = any (${arrayLiteral(partIds)}::uuid[]) returning object_id, sealed_length)
    select object_id, sealed_length as bytes from gone_versions
    union all select object_id, sealed_length from gone_parts`
  return gone.flatMap(({ objectId, bytes }) => (objectId === null ? [] : [{ objectId, bytes }]))
}
