import type { TenantTransaction } from '../transaction.js'

/** A file that needs what stands in an object. */
export interface AffectedFile {
  /** The agent's name. */
  readonly agent: string
  /** From the agent's home, as it is now or was when the file was deleted; null where it hangs nowhere. */
  readonly path: string | null
  readonly versionId: string
  /** The number of that version. */
  readonly version: number
  /** How many versions need the object, this one among them. */
  readonly versions: number
}

interface AffectedRow extends Omit<AffectedFile, 'path'> {
  readonly path: Uint8Array | null
}

/**
 * The newest version that needs an object, or one version in it, with where its file is; undefined where the object holds
 * nothing of files.
 */
export async function findAffectedFile(
  tx: TenantTransaction,
  objectId: string,
  one: { readonly agentId: string; readonly versionId: string } | null,
): Promise<AffectedFile | undefined> {
  const { tenantId } = tx
  const [row] = await tx.query<AffectedRow>`
    with recursive needing as (
      select agent_id, node_id, version_id, number, created_at from versions
      where tenant_id = ${tenantId} and agent_id = ${one?.agentId ?? null}::uuid and version_id = ${one?.versionId ?? null}::uuid
      union
      select agent_id, node_id, version_id, number, created_at from versions
      where ${one === null} and tenant_id = ${tenantId} and object_id = ${objectId}
      union
      select agent_id, node_id, version_id, number, created_at from versions
      where ${one === null} and tenant_id = ${tenantId} and part_ids && array(
        select part_id from parts where tenant_id = ${tenantId} and object_id = ${objectId})
    ), hit as (
      select *, count(*) over () as versions from needing order by created_at desc, number desc limit 1
    ), up (depth, node_id, name) as (
      select 0, node_id, null::bytea from hit
      union all
      select u.depth + 1, p.parent_id, p.name from up u cross join hit h cross join lateral (
        select e.parent_id, e.name from entries e
        where e.tenant_id = ${tenantId} and e.agent_id = h.agent_id and e.node_id = u.node_id
        union all
        select n.deleted_parent, n.deleted_name from nodes n
        where n.tenant_id = ${tenantId} and n.agent_id = h.agent_id and n.node_id = u.node_id and n.deleted_parent is not null
        limit 1) p
      where u.depth < 1000
    )
    select a.name as agent, h.version_id, h.number as version, h.versions,
      (select string_agg(u.name, '/'::bytea order by u.depth desc) from up u) as path
    from hit h join agents a on a.tenant_id = ${tenantId} and a.agent_id = h.agent_id`
  if (row === undefined) return undefined
  return { ...row, path: row.path === null ? null : Buffer.from(row.path).toString('utf8') }
}
