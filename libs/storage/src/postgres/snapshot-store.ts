import { type Name, nameFromBytes, type NodeImage } from '@agentfs/contracts'
import { arrayLiteral } from './array-literal.js'
import type { TenantTransaction } from './transaction.js'
import { imageOfRow, type NodeRow } from './tree-rows.js'

/** A node with all its names. */
export interface SnapshotNode {
  readonly node: NodeImage
  readonly entries: { readonly parent: string; readonly name: Name }[]
}

/** Living nodes in order of their ids, after a cursor (null is the start), with all their names; `under` restricts to a subtree [SY-2]. */
export async function snapshotRows(
  tx: TenantTransaction,
  agentId: string,
  after: string | null,
  limit: number,
  under: string | null = null,
): Promise<SnapshotNode[]> {
  const { tenantId } = tx
  const nodes = await (under === null
    ? tx.query<NodeRow>`
      select n.node_id, n.kind, n.mode, n.uid, n.gid, n.mtime_sec, n.mtime_nsec, n.ctime_sec, n.ctime_nsec, n.size,
        n.head_version, n.number, n.links, n.target, n.xattrs, n.content_key_id, n.created_at, n.modified_at,
        n.modified_by, n.seq, n.deleted_at, n.deleted_parent, n.deleted_name
      from nodes n
      where n.tenant_id = ${tenantId} and n.agent_id = ${agentId} and (${after}::uuid is null or n.node_id > ${after}::uuid) and n.deleted_at is null
      order by n.node_id limit ${limit}`
    : tx.query<NodeRow>`
      with recursive below (node_id) as (
        select ${under}::uuid
        union
        select e.node_id from below b
        join entries e on e.tenant_id = ${tenantId} and e.agent_id = ${agentId} and e.parent_id = b.node_id
      )
      select n.node_id, n.kind, n.mode, n.uid, n.gid, n.mtime_sec, n.mtime_nsec, n.ctime_sec, n.ctime_nsec, n.size,
        n.head_version, n.number, n.links, n.target, n.xattrs, n.content_key_id, n.created_at, n.modified_at,
        n.modified_by, n.seq, n.deleted_at, n.deleted_parent, n.deleted_name
      from below join nodes n on n.tenant_id = ${tenantId} and n.agent_id = ${agentId} and n.node_id = below.node_id
      where (${after}::uuid is null or n.node_id > ${after}::uuid) and n.deleted_at is null order by n.node_id limit ${limit}`)
  const names = await tx.query<{ parentId: string; name: Uint8Array; nodeId: string }>`
    select parent_id, name, node_id from entries
    where tenant_id = ${tenantId} and agent_id = ${agentId}
      and node_id = any (${arrayLiteral(nodes.map(({ nodeId }) => nodeId))}::uuid[])`
  const entries = new Map<string, { parent: string; name: Name }[]>()
  for (const { parentId, name, nodeId } of names) {
    const entry = { parent: parentId, name: nameFromBytes(name) }
    const known = entries.get(nodeId)
    if (known === undefined) entries.set(nodeId, [entry])
    else known.push(entry)
  }
  return nodes.map((row) => ({ node: imageOfRow(row), entries: entries.get(row.nodeId) ?? [] }))
}
