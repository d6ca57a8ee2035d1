import { arrayLiteral } from './array-literal.js'
import type { KeyRow } from './keys-store.js'
import { findPartFacts, type PartRow } from './parts-store.js'
import type { TenantTransaction } from './transaction.js'
import type { SealedPlace, VersionRow } from './versions-store.js'

/** What content operations name. */
export interface PrepareNeeds {
  readonly nodeIds: readonly string[]
  /** Nodes whose head is needed as well. */
  readonly appendedNodeIds: readonly string[]
  readonly versionIds: readonly string[]
  readonly partIds: readonly string[]
  readonly keyIds: readonly string[]
}

/** A node as a preparation needs it; `askedId` may be an alias. */
export interface PrepareNode {
  readonly askedId: string
  readonly nodeId: string
  readonly contentKeyId: string | null
  readonly headVersion: string | null
}

/** All that content is built on, read before any lock. */
export interface PrepareFacts {
  readonly nodes: readonly PrepareNode[]
  readonly versions: readonly VersionRow[]
  readonly keys: readonly KeyRow[]
  readonly parts: readonly (Omit<PartRow, keyof SealedPlace> & { readonly staged: boolean })[]
}

/** Reads what content operations are built on, in one round trip. */
export async function findPrepareFacts(
  tx: TenantTransaction,
  agentId: string,
  needs: PrepareNeeds,
): Promise<PrepareFacts> {
  const { tenantId } = tx
  const nodeIds = arrayLiteral(needs.nodeIds)
  const appended = arrayLiteral(needs.appendedNodeIds)
  const versionIds = arrayLiteral(needs.versionIds)
  const [nodes, versions, keys, parts] = await Promise.all([
    tx.query<PrepareNode>`
      select i.id as asked_id, n.node_id, n.content_key_id, n.head_version
      from unnest(${nodeIds}::uuid[]) as i(id)
      left join aliases a on a.tenant_id = ${tenantId} and a.agent_id = ${agentId} and a.alias_id = i.id
      join nodes n on n.tenant_id = ${tenantId} and n.agent_id = ${agentId} and n.node_id = coalesce(a.node_id, i.id)`,
    tx.query<VersionRow>`
      select v.node_id, v.version_id, v.number, v.parents, v.author, v.size, v.content_mac, v.key_id, v.epoch, v.seq,
        v.created_at, v.sealed, v.sealed_length, o.object_key, v.object_offset
      from versions v left join objects o on o.tenant_id = v.tenant_id and o.object_id = v.object_id
      where v.tenant_id = ${tenantId} and v.agent_id = ${agentId} and v.version_id in (
        select unnest(${versionIds}::uuid[])
        union select n.head_version from unnest(${appended}::uuid[]) as i(id)
        left join aliases a on a.tenant_id = ${tenantId} and a.agent_id = ${agentId} and a.alias_id = i.id
        join nodes n on n.tenant_id = ${tenantId} and n.agent_id = ${agentId} and n.node_id = coalesce(a.node_id, i.id))`,
    tx.query<KeyRow>`
      select key_id, key_version, wrapped from content_keys k
      where tenant_id = ${tenantId} and key_id in (
        select unnest(${arrayLiteral(needs.keyIds)}::uuid[])
        union select n.content_key_id from unnest(${nodeIds}::uuid[]) as i(id)
        left join aliases a on a.tenant_id = ${tenantId} and a.agent_id = ${agentId} and a.alias_id = i.id
        join nodes n on n.tenant_id = ${tenantId} and n.agent_id = ${agentId} and n.node_id = coalesce(a.node_id, i.id)
        union select v.key_id from versions v
        where v.tenant_id = ${tenantId} and v.agent_id = ${agentId} and v.version_id = any (${versionIds}::uuid[])
        union select v.key_id from unnest(${appended}::uuid[]) as i(id)
        left join aliases a on a.tenant_id = ${tenantId} and a.agent_id = ${agentId} and a.alias_id = i.id
        join nodes n on n.tenant_id = ${tenantId} and n.agent_id = ${agentId} and n.node_id = coalesce(a.node_id, i.id)
        join versions v on v.tenant_id = ${tenantId} and v.agent_id = ${agentId} and v.version_id = n.head_version)
      and not exists (select from tombstones t where t.tenant_id = ${tenantId} and t.key_id = k.key_id)`,
    needs.partIds.length === 0 ? [] : findPartFacts(tx, agentId, needs.partIds),
  ])
  return { nodes, versions, keys, parts }
}
