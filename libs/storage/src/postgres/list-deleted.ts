import { type Name, nameFromBytes } from '@agentfs/contracts'
import type { TenantTransaction } from './transaction.js'
import type { NodeRow } from './tree-rows.js'

/** A deleted file that can still be restored, with where it last was. */
export interface DeletedFile extends NodeRow {
  readonly deletedAt: Date
  readonly names: readonly Name[]
}

/** Directories that a path leads through at most, before it is called unknown. */
const DEPTH_MAX = 4_096

/**
 * Deleted files whose newest version still opens, in the order of their ids, after one. A file that was in a directory which is
 * deleted too is named as that directory last was; one whose way up is not known any more stands below the root.
 */
export async function listDeletedFiles(
  tx: TenantTransaction,
  agentId: string,
  after: string,
  limit: number,
): Promise<DeletedFile[]> {
  const { tenantId } = tx
  const rows = await tx.query<NodeRow & { readonly deletedAt: Date; readonly path: string }>`
    with recursive page as (
      select n.* from nodes n
      where n.tenant_id = ${tenantId} and n.agent_id = ${agentId} and n.node_id > ${after} and n.deleted_at is not null
        and n.kind = 'file' and n.deleted_name is not null and exists (
          select from versions v join content_keys k on k.tenant_id = v.tenant_id and k.key_id = v.key_id
          where v.tenant_id = ${tenantId} and v.agent_id = ${agentId} and v.version_id = n.head_version
            and k.tenant_id = ${tenantId} and k.wrapped <> '')
      order by n.node_id limit ${limit}),
    up (file_id, directory_id, names, depth) as (
      select node_id, deleted_parent, array[deleted_name], 1 from page
      union all
      select u.file_id, coalesce(e.parent_id, d.deleted_parent), coalesce(e.name, d.deleted_name) || u.names, u.depth + 1
      from up u
      join nodes d on d.tenant_id = ${tenantId} and d.agent_id = ${agentId} and d.node_id = u.directory_id
      left join entries e on e.tenant_id = ${tenantId} and e.agent_id = ${agentId} and e.node_id = u.directory_id
      where u.depth < ${DEPTH_MAX} and coalesce(e.name, d.deleted_name) is not null)
    select p.node_id, p.kind, p.mode, p.uid, p.gid, p.mtime_sec, p.mtime_nsec, p.ctime_sec, p.ctime_nsec, p.size,
      p.head_version, p.number, p.links, p.target, p.xattrs, p.content_key_id, p.created_at, p.modified_at, p.modified_by,
      p.seq, p.deleted_at, p.deleted_parent, p.deleted_name, (
        select string_agg(encode(x, 'hex'), '/' order by ordinality) from unnest((
          select u.names from up u where u.file_id = p.node_id order by u.depth desc limit 1)) with ordinality as w(x, ordinality)
      ) as path
    from page p order by p.node_id`
  return rows.map(({ path, ...row }) => ({
    ...row,
    names: path.split('/').map((hex) => nameFromBytes(Buffer.from(hex, 'hex'))),
  }))
}
