import { type Name, nameFromBytes } from '@agentfs/contracts'
import { arrayLiteral } from '../array-literal.js'
import type { TenantTransaction } from '../transaction.js'

/** A file as the mirror shows it. */
export interface MirrorNode {
  readonly nodeId: string
  readonly headVersion: string | null
  readonly modifiedAt: Date
  readonly modifiedBy: string
}

/** An object of the mirror. */
export interface MirrorDocumentRow {
  readonly objectKey: string
  readonly nodeId: string
  readonly versionId: string | null
  readonly sidecar: boolean
  readonly writtenAt: Date | null
}

interface EntryRow {
  readonly parentId: string
  readonly name: Uint8Array
  readonly nodeId: string
}

/** Living files among some nodes, aliases followed. */
export function mirrorNodes(
  tx: TenantTransaction,
  agentId: string,
  nodeIds: readonly string[],
): Promise<MirrorNode[]> {
  const { tenantId } = tx
  return tx.query<MirrorNode>`
    select n.node_id, n.head_version, n.modified_at, n.modified_by
    from unnest(${arrayLiteral(nodeIds)}::uuid[]) as w(id) cross join lateral (
      select * from nodes where tenant_id = ${tenantId} and agent_id = ${agentId} and node_id = w.id offset 0) n
    where n.kind = 'file' and n.deleted_at is null`
}

/** All paths of some nodes, by node; a node that does not hang below the root has none. */
export async function pathsOfNodes(
  tx: TenantTransaction,
  agentId: string,
  nodeIds: readonly string[],
): Promise<Map<string, Name[][]>> {
  const { tenantId } = tx
  const rows = await tx.query<EntryRow>`
    with recursive chain as (
      select e.parent_id, e.name, e.node_id from unnest(${arrayLiteral(nodeIds)}::uuid[]) as w(id) cross join lateral (
        select parent_id, name, node_id from entries
        where tenant_id = ${tenantId} and agent_id = ${agentId} and node_id = w.id offset 0) e
      union
      select e.parent_id, e.name, e.node_id from chain cross join lateral (
        select parent_id, name, node_id from entries
        where tenant_id = ${tenantId} and agent_id = ${agentId} and node_id = chain.parent_id offset 0) e
    )
    select parent_id, name, node_id from chain`
  const [agent] = await tx.query<{ rootId: string }>`
    select root_id from agents where tenant_id = ${tenantId} and agent_id = ${agentId}`
  const entries = Map.groupBy(rows, ({ nodeId }) => nodeId)
  const known = new Map<string, Name[][]>([[agent?.rootId ?? '', [[]]]])
  const pathsTo = (nodeId: string): Name[][] => {
    const found = known.get(nodeId)
    if (found !== undefined) return found
    const paths = (entries.get(nodeId) ?? []).flatMap(({ parentId, name }) =>
      pathsTo(parentId).map((path) => [...path, nameFromBytes(name)]),
    )
    known.set(nodeId, paths)
    return paths
  }
  return new Map(nodeIds.map((nodeId) => [nodeId, pathsTo(nodeId)]))
}

/** Ids of the files below some nodes, those that are files themselves included. */
export async function filesBelow(
  tx: TenantTransaction,
  agentId: string,
  nodeIds: readonly string[],
): Promise<string[]> {
  const { tenantId } = tx
  const rows = await tx.query<{ nodeId: string }>`
    with recursive below (node_id) as (
      select id from unnest(${arrayLiteral(nodeIds)}::uuid[]) as w(id)
      union
      select e.node_id from below b cross join lateral (
        select node_id from entries where tenant_id = ${tenantId} and agent_id = ${agentId} and parent_id = b.node_id offset 0) e
    )
    select b.node_id from below b cross join lateral (
      select kind from nodes where tenant_id = ${tenantId} and agent_id = ${agentId} and node_id = b.node_id offset 0) n
    where n.kind = 'file'`
  return rows.map(({ nodeId }) => nodeId)
}

/** Ids of nodes after one, ascending: of living files and of all that the mirror has documents of. */
export async function nodesToMirror(
  tx: TenantTransaction,
  agentId: string,
  after: string | null,
  limit: number,
): Promise<string[]> {
  const { tenantId } = tx
  const from = after ?? '00000000-0000-0000-0000-000000000000'
  const rows = await tx.query<{ nodeId: string }>`
    select node_id from (
      (select node_id from nodes where tenant_id = ${tenantId} and agent_id = ${agentId} and node_id > ${from}
         and kind = 'file' and deleted_at is null order by node_id limit ${limit})
      union
      (select distinct node_id from mirror_documents where tenant_id = ${tenantId} and agent_id = ${agentId}
         and node_id > ${from} order by node_id limit ${limit})
    ) both_kinds order by node_id limit ${limit}`
  return rows.map(({ nodeId }) => nodeId)
}

/** Documents of some nodes, and those under some keys. */
export function mirrorDocuments(
  tx: TenantTransaction,
  agentId: string,
  nodeIds: readonly string[],
  keys: readonly string[],
): Promise<MirrorDocumentRow[]> {
  const { tenantId } = tx
  return tx.query<MirrorDocumentRow>`
    select object_key, node_id, version_id, sidecar, written_at from mirror_documents
    where tenant_id = ${tenantId} and agent_id = ${agentId} and node_id = any (${arrayLiteral(nodeIds)}::uuid[])
    union
    select object_key, node_id, version_id, sidecar, written_at from mirror_documents
    where tenant_id = ${tenantId} and agent_id = ${agentId} and object_key = any (${arrayLiteral(keys)}::text[])`
}

/** Documents whose keys are folders of some keys, or lie below them. */
export function mirrorDocumentsInTheWay(
  tx: TenantTransaction,
  agentId: string,
  keys: readonly string[],
): Promise<MirrorDocumentRow[]> {
  const { tenantId } = tx
  const folders = keys.flatMap((key) => {
    const steps = key.split('/')
    return steps.slice(1).map((_, index) => steps.slice(0, index + 1).join('/'))
  })
  // '0' follows '/'.
  return tx.query<MirrorDocumentRow>`
    select object_key, node_id, version_id, sidecar, written_at from mirror_documents
    where tenant_id = ${tenantId} and agent_id = ${agentId}
      and object_key = any (${arrayLiteral([...new Set(folders)])}::text[])
    union
    select d.object_key, d.node_id, d.version_id, d.sidecar, d.written_at from unnest(${arrayLiteral(keys)}::text[]) as w(key)
    cross join lateral (
      select * from mirror_documents where tenant_id = ${tenantId} and agent_id = ${agentId}
        and object_key collate "C" > w.key || '/' and object_key collate "C" < w.key || '0' offset 0) d`
}

/** Some documents, whichever. */
export function someMirrorDocuments(
  tx: TenantTransaction,
  agentId: string,
  limit: number,
): Promise<MirrorDocumentRow[]> {
  return tx.query<MirrorDocumentRow>`
    select object_key, node_id, version_id, sidecar, written_at from mirror_documents
    where tenant_id = ${tx.tenantId} and agent_id = ${agentId} limit ${limit}`
}

/** How many objects the mirror has. */
export async function countMirrorDocuments(tx: TenantTransaction, agentId: string): Promise<number> {
  const [row] = await tx.query<{ count: number }>`
    select count(*)::integer as count from mirror_documents where tenant_id = ${tx.tenantId} and agent_id = ${agentId}`
  return row?.count ?? 0
}

/** Notes documents that are about to be written; until they are, what stands there is not known. */
export async function announceMirrorDocuments(
  tx: TenantTransaction,
  agentId: string,
  rows: readonly { readonly objectKey: string; readonly nodeId: string }[],
): Promise<void> {
  await tx.query`
    insert into mirror_documents (tenant_id, agent_id, object_key, node_id)
    select ${tx.tenantId}::uuid, ${agentId}::uuid, d.object_key, d.node_id from unnest(
      ${arrayLiteral(rows.map(({ objectKey }) => objectKey))}::text[],
      ${arrayLiteral(rows.map(({ nodeId }) => nodeId))}::uuid[]) as d(object_key, node_id)
    on conflict (tenant_id, agent_id, object_key) do update set node_id = excluded.node_id, written_at = null`
}

/** Notes documents that are written. */
export async function noteMirrorDocuments(
  tx: TenantTransaction,
  agentId: string,
  rows: readonly Omit<MirrorDocumentRow, 'writtenAt'>[],
  at: Date,
): Promise<void> {
  await tx.query`
    update mirror_documents m set version_id = d.version_id, sidecar = d.sidecar, written_at = ${at} from unnest(
      ${arrayLiteral(rows.map(({ objectKey }) => objectKey))}::text[],
      ${arrayLiteral(rows.map(({ versionId }) => versionId))}::uuid[],
      ${arrayLiteral(rows.map(({ sidecar }) => sidecar))}::boolean[]) as d(object_key, version_id, sidecar)
    where m.tenant_id = ${tx.tenantId} and m.agent_id = ${agentId} and m.object_key = d.object_key`
}

/** Forgets documents whose objects are deleted. */
export async function forgetMirrorDocuments(
  tx: TenantTransaction,
  agentId: string,
  keys: readonly string[],
): Promise<void> {
  await tx.query`
    delete from mirror_documents where tenant_id = ${tx.tenantId} and agent_id = ${agentId}
      and object_key = any (${arrayLiteral(keys)}::text[])`
}

/** Numbers of versions, by id; of those that are kept. */
export async function numbersOfVersions(
  tx: TenantTransaction,
  agentId: string,
  versionIds: readonly string[],
): Promise<Map<string, number>> {
  const rows = await tx.query<{ versionId: string; number: number }>`
    select version_id, number from versions
    where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and version_id = any (${arrayLiteral(versionIds)}::uuid[])`
  return new Map(rows.map(({ versionId, number }) => [versionId, number]))
}
