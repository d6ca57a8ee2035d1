import { type Name, nameFromBytes } from '@agentfs/contracts'
import { arrayLiteral } from './array-literal.js'
import type { TenantTransaction } from './transaction.js'
import { nameColumn, type NodeRow } from './tree-rows.js'

/** The nodes along a path from the root, the root first; shorter than the path where something is missing. */
export async function findPath(
  tx: TenantTransaction,
  agentId: string,
  rootId: string,
  names: readonly Name[],
): Promise<NodeRow[]> {
  const { tenantId } = tx
  return tx.query<NodeRow>`
    with recursive walk (depth, node_id) as (
      select 0, ${rootId}::uuid
      union all
      select w.depth + 1, e.node_id from walk w cross join lateral (
        select node_id from entries
        where tenant_id = ${tenantId} and agent_id = ${agentId} and parent_id = w.node_id
          and name = (${arrayLiteral(names.map(nameColumn))}::bytea[])[w.depth + 1] offset 0) e
      where w.depth < ${names.length}
    )
    select n.* from walk cross join lateral (
      select * from nodes where tenant_id = ${tenantId} and agent_id = ${agentId} and node_id = walk.node_id offset 0) n
    order by walk.depth`
}

/** A node by id, aliases followed. */
export async function findNode(
  tx: TenantTransaction,
  agentId: string,
  nodeId: string,
): Promise<NodeRow | undefined> {
  const { tenantId } = tx
  const [row] = await tx.query<NodeRow>`
    select n.node_id, n.kind, n.mode, n.uid, n.gid, n.mtime_sec, n.mtime_nsec, n.ctime_sec, n.ctime_nsec, n.size,
      n.head_version, n.number, n.links, n.target, n.xattrs, n.content_key_id, n.created_at, n.modified_at,
      n.modified_by, n.seq, n.deleted_at, n.deleted_parent, n.deleted_name
    from (select coalesce((
      select a.node_id from aliases a where a.tenant_id = ${tenantId} and a.agent_id = ${agentId} and a.alias_id = ${nodeId}::uuid
    ), ${nodeId}::uuid) as id offset 0) r
    cross join lateral (
      select * from nodes where tenant_id = ${tenantId} and agent_id = ${agentId} and node_id = r.id offset 0) n`
  return row
}

/** Of one name more are not told apart: so many folders of a name are not deleted one after the other. */
const DELETED_MAX = 100

/** The nodes that were deleted under a name in any of some directories, the last first. */
export function findDeletedNodes(
  tx: TenantTransaction,
  agentId: string,
  parentIds: readonly string[],
  name: Name,
  kind: 'file' | 'directory',
): Promise<NodeRow[]> {
  return tx.query<NodeRow>`
    select n.node_id, n.kind, n.mode, n.uid, n.gid, n.mtime_sec, n.mtime_nsec, n.ctime_sec, n.ctime_nsec, n.size,
      n.head_version, n.number, n.links, n.target, n.xattrs, n.content_key_id, n.created_at, n.modified_at,
      n.modified_by, n.seq, n.deleted_at, n.deleted_parent, n.deleted_name
    from nodes n where n.tenant_id = ${tx.tenantId} and n.agent_id = ${agentId}
      and n.deleted_parent = any (${arrayLiteral(parentIds)}::uuid[]) and n.deleted_name = ${nameColumn(name)}
      and n.deleted_at is not null and n.kind = ${kind}
    order by n.deleted_at desc, n.seq desc limit ${DELETED_MAX}`
}

/** A node with where it hangs below the node a listing starts at. */
export interface ListedNode extends NodeRow {
  /** Names from the listing's start down to the node. */
  readonly names: readonly Name[]
  readonly parentId: string
}

interface ListedRow extends NodeRow {
  readonly parentId: string
  readonly path: string
}

/**
 * Nodes below a directory down to a depth, in order of their paths (a directory before what it holds), after a cursor. What
 * comes back as `names` may be passed as the cursor. One level is an index scan; more walk the subtree.
 */
export async function listBelow(
  tx: TenantTransaction,
  agentId: string,
  directoryId: string,
  depth: number,
  after: readonly Name[] | null,
  limit: number,
): Promise<ListedNode[]> {
  const { tenantId } = tx
  const cursor = after === null ? null : arrayLiteral(after.map(nameColumn))
  const rows = await (depth === 1
    ? tx.query<ListedRow>`
      select array_to_string(array[encode(e.name, 'hex')], '/') as path, e.parent_id, n.node_id, n.kind, n.mode, n.uid, n.gid,
        n.mtime_sec, n.mtime_nsec, n.ctime_sec, n.ctime_nsec, n.size, n.head_version, n.number, n.links, n.target,
        n.xattrs, n.content_key_id, n.created_at, n.modified_at, n.modified_by, n.seq, n.deleted_at,
        n.deleted_parent, n.deleted_name
      from entries e join nodes n on n.tenant_id = e.tenant_id and n.agent_id = e.agent_id and n.node_id = e.node_id
      where e.tenant_id = ${tenantId} and e.agent_id = ${agentId} and e.parent_id = ${directoryId}
        and (${cursor}::bytea[] is null or e.name > (${cursor}::bytea[])[1])
      order by e.name limit ${limit}`
    : tx.query<ListedRow>`
      with recursive walk (node_id, parent_id, names, depth) as (
        select e.node_id, e.parent_id, array[e.name], 1 from entries e
        where e.tenant_id = ${tenantId} and e.agent_id = ${agentId} and e.parent_id = ${directoryId}
        union all
        select e.node_id, e.parent_id, w.names || e.name, w.depth + 1
        from walk w join entries e on e.tenant_id = ${tenantId} and e.agent_id = ${agentId} and e.parent_id = w.node_id
        where w.depth < ${depth}
      )
      select (select string_agg(encode(x, 'hex'), '/' order by ordinality) from unnest(w.names) with ordinality as u(x, ordinality)) as path,
        w.parent_id, n.node_id, n.kind, n.mode, n.uid, n.gid, n.mtime_sec, n.mtime_nsec, n.ctime_sec, n.ctime_nsec,
        n.size, n.head_version, n.number, n.links, n.target, n.xattrs, n.content_key_id, n.created_at, n.modified_at,
        n.modified_by, n.seq, n.deleted_at, n.deleted_parent, n.deleted_name
      from walk w join nodes n on n.tenant_id = ${tenantId} and n.agent_id = ${agentId} and n.node_id = w.node_id
      where ${cursor}::bytea[] is null or w.names > ${cursor}::bytea[]
      order by w.names limit ${limit}`)
  return rows.map(({ path, ...row }) => ({
    ...row,
    names: path.split('/').map((hex) => nameFromBytes(Buffer.from(hex, 'hex'))),
  }))
}
