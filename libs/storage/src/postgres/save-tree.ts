import type { EntryImage, NodeImage, TreeDelta } from '@agentfs/contracts'
import { arrayLiteral, type ArrayElement } from './array-literal.js'
import { type Statement, statement } from './statement.js'
import type { TenantTransaction } from './transaction.js'
import { nameColumn, rowOfImage } from './tree-rows.js'

/** When a tree changed: one commit's address, or that of each image where several commits were folded into one delta. */
export interface SavedAt {
  readonly seq: number | ((entry: EntryImage) => number)
  readonly at: Date | ((image: NodeImage) => Date)
}

/** Sends the statements that make a delta the tree; see `treeSaved`. */
export function saveTree(
  tx: TenantTransaction,
  agentId: string,
  delta: Pick<TreeDelta, 'nodes' | 'entries' | 'aliases'>,
  contentKeys: ReadonlyMap<string, string>,
  commit: { readonly seq: number; readonly at: Date },
): Promise<unknown> {
  if (delta.aliases.length > 0) saveAliases(tx, agentId, delta, commit.seq)
  return tx.batch(treeSaved(tx.tenantId, agentId, delta, contentKeys, commit))
}

/**
 * The statements that make a delta the tree, but for its aliases; `contentKeys` says which key seals new content of a node
 * from now on.
 */
export function treeSaved(
  tenantId: string,
  agentId: string,
  delta: Pick<TreeDelta, 'nodes' | 'entries'>,
  contentKeys: ReadonlyMap<string, string>,
  commit: SavedAt,
): Statement[] {
  return [
    ...(delta.nodes.length > 0 ? [nodesSaved(tenantId, agentId, delta.nodes, contentKeys, commit.at)] : []),
    ...entriesSaved(tenantId, agentId, delta, commit.seq),
  ]
}

function nodesSaved(
  tenantId: string,
  agentId: string,
  images: readonly NodeImage[],
  contentKeys: ReadonlyMap<string, string>,
  at: SavedAt['at'],
): Statement {
  const rows = images.map((image) =>
    rowOfImage(image, contentKeys.get(image.id) ?? null, at instanceof Date ? at : at(image)),
  )
  const column = (pick: (row: (typeof rows)[number]) => ArrayElement): string => arrayLiteral(rows.map(pick))
  return statement`
    insert into nodes (tenant_id, agent_id, node_id, kind, mode, uid, gid, mtime_sec, mtime_nsec, ctime_sec, ctime_nsec, size,
      head_version, number, links, target, xattrs, content_key_id, created_at, modified_at, modified_by, seq, deleted_at,
      deleted_parent, deleted_name)
    select ${tenantId}::uuid, ${agentId}::uuid, n.* from unnest(
      ${column((row) => row.nodeId)}::uuid[], ${column((row) => row.kind)}::text[], ${column((row) => row.mode)}::integer[],
      ${column((row) => row.uid)}::bigint[], ${column((row) => row.gid)}::bigint[],
      ${column((row) => row.mtimeSec)}::bigint[], ${column((row) => row.mtimeNsec)}::integer[],
      ${column((row) => row.ctimeSec)}::bigint[], ${column((row) => row.ctimeNsec)}::integer[],
      ${column((row) => row.size)}::bigint[], ${column((row) => row.headVersion)}::uuid[],
      ${column((row) => row.number)}::integer[], ${column((row) => row.links)}::integer[],
      ${column((row) => row.target)}::bytea[],
      ${column((row) => (row.xattrs === null ? null : JSON.stringify(row.xattrs)))}::jsonb[],
      ${column((row) => row.contentKeyId)}::uuid[], ${column((row) => row.createdAt)}::timestamptz[],
      ${column((row) => row.modifiedAt)}::timestamptz[], ${column((row) => row.modifiedBy)}::text[],
      ${column((row) => row.seq)}::bigint[], ${column((row) => row.deletedAt)}::timestamptz[],
      ${column((row) => row.deletedParent)}::uuid[], ${column((row) => row.deletedName)}::bytea[]) as n
    on conflict (tenant_id, agent_id, node_id) do update set
      mode = excluded.mode, uid = excluded.uid, gid = excluded.gid, mtime_sec = excluded.mtime_sec,
      mtime_nsec = excluded.mtime_nsec, ctime_sec = excluded.ctime_sec, ctime_nsec = excluded.ctime_nsec,
      size = excluded.size, head_version = excluded.head_version, number = excluded.number, links = excluded.links,
      target = excluded.target, xattrs = excluded.xattrs,
      content_key_id = coalesce(excluded.content_key_id, nodes.content_key_id), modified_at = excluded.modified_at,
      modified_by = excluded.modified_by, seq = excluded.seq, deleted_at = excluded.deleted_at,
      deleted_parent = excluded.deleted_parent, deleted_name = excluded.deleted_name`
}

function entriesSaved(
  tenantId: string,
  agentId: string,
  delta: Pick<TreeDelta, 'entries'>,
  seq: SavedAt['seq'],
): Statement[] {
  const gone = delta.entries.filter(({ node }) => node === null)
  const statements: Statement[] = []
  const there = delta.entries.filter(({ node }) => node !== null)
  if (gone.length > 0) {
    statements.push(statement`
      delete from entries e using unnest(
        ${arrayLiteral(gone.map(({ parent }) => parent))}::uuid[],
        ${arrayLiteral(gone.map(({ name }) => nameColumn(name)))}::bytea[]) as g(parent_id, name)
      where e.tenant_id = ${tenantId} and e.agent_id = ${agentId} and e.parent_id = g.parent_id and e.name = g.name`)
  }
  if (there.length > 0) {
    statements.push(statement`
      insert into entries (tenant_id, agent_id, parent_id, name, node_id, seq)
      select ${tenantId}::uuid, ${agentId}::uuid, e.* from unnest(
        ${arrayLiteral(there.map(({ parent }) => parent))}::uuid[],
        ${arrayLiteral(there.map(({ name }) => nameColumn(name)))}::bytea[],
        ${arrayLiteral(there.map(({ node }) => node))}::uuid[],
        ${arrayLiteral(there.map((entry) => (typeof seq === 'number' ? seq : seq(entry))))}::bigint[]) as e
      on conflict (tenant_id, agent_id, parent_id, name) do update set node_id = excluded.node_id, seq = excluded.seq`)
  }
  return statements
}

/** Sends the statements that make ids stand for nodes. */
export function saveAliases(
  tx: TenantTransaction,
  agentId: string,
  delta: Pick<TreeDelta, 'aliases'>,
  seq: number,
): void {
  const aliases = arrayLiteral(delta.aliases.map(({ alias }) => alias))
  const nodes = arrayLiteral(delta.aliases.map(({ node }) => node))
  void tx.query`
    insert into aliases (tenant_id, agent_id, alias_id, node_id, seq)
    select ${tx.tenantId}::uuid, ${agentId}::uuid, a.*, ${seq}::bigint
    from unnest(${aliases}::uuid[], ${nodes}::uuid[]) as a
    on conflict (tenant_id, agent_id, alias_id) do update set node_id = excluded.node_id, seq = excluded.seq`
  // What stood for a node that is itself an alias now stands for the survivor: one look-up always ends.
  void tx.query`
    update aliases o set node_id = a.node_id, seq = ${seq}
    from unnest(${aliases}::uuid[], ${nodes}::uuid[]) as a(alias_id, node_id)
    where o.tenant_id = ${tx.tenantId} and o.agent_id = ${agentId} and o.node_id = a.alias_id`
}
