import type { Database, TenantTransaction } from '@agentfs/storage'
import type { Caller } from '../caller.js'

/** Tables and what of them must come back alike. */
export const RECOVERED = {
  tenants: 'tenant_id, name, created_at',
  users: 'user_id, email_hash, email_sealed, subject_key_id, password_hash, role, created_at',
  api_keys:
    'key_id, name, secret_hash, role, agents, prefixes, cidrs, created_by, created_at, expires_at, revoked_at',
  agents: 'agent_id, name, root_id, stream_key_id, settings, created_at, deleted_at',
  nodes:
    'agent_id, node_id, kind, mode, uid, gid, mtime_sec, mtime_nsec, ctime_sec, ctime_nsec, size, head_version, number, links, target, xattrs, content_key_id, created_at, modified_at, modified_by, seq, deleted_at, deleted_parent, deleted_name',
  entries: 'agent_id, parent_id, name, node_id, seq',
  aliases: 'agent_id, alias_id, node_id, seq',
  versions:
    'agent_id, node_id, version_id, number, parents, author, size, content_mac, (select array_agg(p order by p) from unnest(part_ids) p) as parts, key_id, epoch, seq, created_at, sealed_length',
  parts: 'agent_id, part_id, key_id, size, content_mac, epoch, seq, sealed_length, part_ids',
  store_pushes: 'agent_id, store_id, number, digest, epoch, seq',
  content_keys: 'key_id, purpose, agent_id, node_id, key_version, kek_version, wrapped',
  tombstones: 'key_id, reason, at',
} as const

/** The rows of a caller's tenant that recovery must bring back, as sorted text, by table. */
export async function recoveredRows(database: Database, caller: Caller): Promise<Record<string, string[]>> {
  const all: Record<string, string[]> = {}
  for (const [table, columns] of Object.entries(RECOVERED)) {
    all[table] = await database.withTenant(caller.principal.scope, async (tx: TenantTransaction) => {
      const text = `select ${columns} from ${table} where tenant_id = '${tx.tenantId}'`
      const rows = await tx.query(Object.assign([text], { raw: [text] }))
      return rows.map((row) => JSON.stringify(row)).sort()
    })
  }
  return all
}
