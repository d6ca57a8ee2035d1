import { arrayLiteral } from './array-literal.js'
import { findKeys, type KeyRow } from './keys-store.js'
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

/** A row with the key that opens what it names; null where the key was erased. */
export type WithKey<Row> = Row & {
  readonly openingKeyId: string | null
  readonly keyVersion: number
  readonly wrapped: Uint8Array
}

/** The keys that came with rows. */
export function openingKeysOf(rows: readonly WithKey<object>[]): KeyRow[] {
  return rows.flatMap(({ openingKeyId, keyVersion, wrapped }) =>
    openingKeyId === null ? [] : [{ keyId: openingKeyId, keyVersion, wrapped }],
  )
}

/** Reads what content operations are built on, in one round trip: every query is sent before the first is awaited. */
export async function findPrepareFacts(
  tx: TenantTransaction,
  agentId: string,
  needs: PrepareNeeds,
): Promise<PrepareFacts> {
  const [nodes, versions, heads, keys, parts] = await Promise.all([
    needs.nodeIds.length === 0 ? [] : findNodesWithKeys(tx, agentId, needs.nodeIds),
    needs.versionIds.length === 0 ? [] : findVersionsWithKeys(tx, agentId, needs.versionIds),
    needs.appendedNodeIds.length === 0 ? [] : findHeadsWithKeys(tx, agentId, needs.appendedNodeIds),
    needs.keyIds.length === 0 ? [] : findKeys(tx, needs.keyIds),
    needs.partIds.length === 0 ? [] : findPartFacts(tx, agentId, needs.partIds),
  ])
  const found = openingKeysOf([...nodes, ...versions, ...heads])
  return { nodes, versions: [...versions, ...heads], keys: [...keys, ...found], parts }
}

function findNodesWithKeys(
  tx: TenantTransaction,
  agentId: string,
  nodeIds: readonly string[],
): Promise<WithKey<PrepareNode>[]> {
  const { tenantId } = tx
  return tx.query<WithKey<PrepareNode>>`
    select w.id as asked_id, n.node_id, n.content_key_id, n.head_version, k.key_id as opening_key_id, k.key_version, k.wrapped
    from unnest(${arrayLiteral(nodeIds)}::uuid[]) as w(id)
    cross join lateral (select coalesce((
      select node_id from aliases where tenant_id = ${tenantId} and agent_id = ${agentId} and alias_id = w.id), w.id) as id offset 0) r
    cross join lateral (
      select * from nodes where tenant_id = ${tenantId} and agent_id = ${agentId} and node_id = r.id offset 0) n
    left join lateral (
      select * from content_keys c where c.tenant_id = ${tenantId} and c.key_id = n.content_key_id and not exists (
        select from tombstones t where t.tenant_id = ${tenantId} and t.key_id in (c.key_id, ${tenantId})) offset 0) k on true`
}

/** Versions by id, each with the key that opens its manifest unless that was erased. */
export function findVersionsWithKeys(
  tx: TenantTransaction,
  agentId: string,
  versionIds: readonly string[],
): Promise<WithKey<VersionRow>[]> {
  const { tenantId } = tx
  return tx.query<WithKey<VersionRow>>`
    select v.node_id, v.version_id, v.number, v.parents, v.author, v.size, v.content_mac, v.key_id, v.epoch, v.seq,
      v.created_at, v.prefix_of, coalesce(m.sealed, v.sealed) as sealed, coalesce(m.sealed_length, v.sealed_length) as sealed_length,
      o.object_key, coalesce(m.object_offset, v.object_offset) as object_offset, k.key_id as opening_key_id, k.key_version,
      k.wrapped
    from unnest(${arrayLiteral(versionIds)}::uuid[]) as w(id)
    cross join lateral (
      select * from versions where tenant_id = ${tenantId} and agent_id = ${agentId} and version_id = w.id offset 0) v
    left join lateral (
      select * from versions where v.prefix_of is not null and tenant_id = ${tenantId} and agent_id = ${agentId}
        and version_id = v.prefix_of offset 0) m on true
    left join lateral (
      select object_key from objects where tenant_id = ${tenantId}
        and object_id = coalesce(m.object_id, v.object_id) offset 0) o on true
    left join lateral (
      select * from content_keys c where c.tenant_id = ${tenantId} and c.key_id = v.key_id and not exists (
        select from tombstones t where t.tenant_id = ${tenantId} and t.key_id in (c.key_id, ${tenantId})) offset 0) k on true`
}

/** The head versions of nodes, each with the key that opens its manifest unless that was erased. */
export function findHeadsWithKeys(
  tx: TenantTransaction,
  agentId: string,
  nodeIds: readonly string[],
): Promise<WithKey<VersionRow>[]> {
  const { tenantId } = tx
  return tx.query<WithKey<VersionRow>>`
    select v.node_id, v.version_id, v.number, v.parents, v.author, v.size, v.content_mac, v.key_id, v.epoch, v.seq,
      v.created_at, v.prefix_of, coalesce(m.sealed, v.sealed) as sealed, coalesce(m.sealed_length, v.sealed_length) as sealed_length,
      o.object_key, coalesce(m.object_offset, v.object_offset) as object_offset, k.key_id as opening_key_id, k.key_version,
      k.wrapped
    from unnest(${arrayLiteral(nodeIds)}::uuid[]) as w(id)
    cross join lateral (select coalesce((
      select node_id from aliases where tenant_id = ${tenantId} and agent_id = ${agentId} and alias_id = w.id), w.id) as id offset 0) r
    cross join lateral (
      select head_version from nodes where tenant_id = ${tenantId} and agent_id = ${agentId} and node_id = r.id offset 0) n
    cross join lateral (
      select * from versions where tenant_id = ${tenantId} and agent_id = ${agentId} and version_id = n.head_version offset 0) v
    left join lateral (
      select * from versions where v.prefix_of is not null and tenant_id = ${tenantId} and agent_id = ${agentId}
        and version_id = v.prefix_of offset 0) m on true
    left join lateral (
      select object_key from objects where tenant_id = ${tenantId}
        and object_id = coalesce(m.object_id, v.object_id) offset 0) o on true
    left join lateral (
      select * from content_keys c where c.tenant_id = ${tenantId} and c.key_id = v.key_id and not exists (
        select from tombstones t where t.tenant_id = ${tenantId} and t.key_id in (c.key_id, ${tenantId})) offset 0) k on true`
}
