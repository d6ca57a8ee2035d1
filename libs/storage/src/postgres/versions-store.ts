import { arrayLiteral } from './array-literal.js'
import { type Statement, statement } from './statement.js'
import type { TenantTransaction } from './transaction.js'

/** Where sealed bytes are: in the row, or a run of an object. */
export interface SealedPlace {
  readonly sealed: Uint8Array | null
  readonly sealedLength: number
  readonly objectKey: string | null
  readonly objectOffset: number | null
}

/** A version's row; the place is that of its manifest, or of the manifest of the version that it is the beginning of. */
export interface VersionRow extends SealedPlace {
  readonly nodeId: string
  readonly versionId: string
  readonly number: number
  readonly parents: string[]
  readonly author: string
  readonly size: number
  readonly contentMac: Uint8Array
  readonly keyId: string
  readonly epoch: number
  readonly seq: number
  readonly createdAt: Date
  /** The version whose first `size` bytes this one is; null where it has a manifest of its own. */
  readonly prefixOf: string | null
}

/** A version to add, with its sealed manifest. */
export interface NewVersionRow {
  readonly nodeId: string
  readonly versionId: string
  readonly number: number
  readonly parents: readonly string[]
  readonly author: string
  readonly size: number
  readonly contentMac: Uint8Array
  readonly partIds: readonly string[]
  readonly keyId: string
  readonly sealed: Uint8Array
}

/** Adds versions. Arrays of one row differ in length, which unnest cannot carry: they travel as text. */
export function versionsInserted(
  tenantId: string,
  agentId: string,
  rows: readonly NewVersionRow[],
  commit: { readonly epoch: number; readonly seq: number; readonly at: Date },
): Statement {
  return statement`
    insert into versions (tenant_id, agent_id, epoch, seq, created_at, node_id, version_id, number, parents, author, size,
      content_mac, part_ids, key_id, sealed, sealed_length)
    select ${tenantId}::uuid, ${agentId}::uuid, ${commit.epoch}::integer, ${commit.seq}::bigint, ${commit.at}::timestamptz,
      v.node_id, v.version_id, v.number, v.parents::uuid[], v.author, v.size, v.content_mac, v.part_ids::uuid[], v.key_id,
      v.sealed, length(v.sealed)
    from unnest(
      ${arrayLiteral(rows.map((row) => row.nodeId))}::uuid[], ${arrayLiteral(rows.map((row) => row.versionId))}::uuid[],
      ${arrayLiteral(rows.map((row) => row.number))}::integer[],
      ${arrayLiteral(rows.map((row) => `{${row.parents.join(',')}}`))}::text[],
      ${arrayLiteral(rows.map((row) => row.author))}::text[], ${arrayLiteral(rows.map((row) => row.size))}::bigint[],
      ${arrayLiteral(rows.map((row) => row.contentMac))}::bytea[],
      ${arrayLiteral(rows.map((row) => `{${row.partIds.join(',')}}`))}::text[],
      ${arrayLiteral(rows.map((row) => row.keyId))}::uuid[], ${arrayLiteral(rows.map((row) => row.sealed))}::bytea[]
    ) as v(node_id, version_id, number, parents, author, size, content_mac, part_ids, key_id, sealed)`
}

/** Versions by id. */
export function findVersions(
  tx: TenantTransaction,
  agentId: string,
  versionIds: readonly string[],
): Promise<VersionRow[]> {
  return tx.query<VersionRow>`
    select v.node_id, v.version_id, v.number, v.parents, v.author, v.size, v.content_mac, v.key_id, v.epoch, v.seq,
      v.created_at, v.prefix_of, coalesce(m.sealed, v.sealed) as sealed, coalesce(m.sealed_length, v.sealed_length) as sealed_length,
      o.object_key, coalesce(m.object_offset, v.object_offset) as object_offset
    from unnest(${arrayLiteral(versionIds)}::uuid[]) as w(id)
    cross join lateral (
      select * from versions where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and version_id = w.id offset 0) v
    left join lateral (
      select * from versions where v.prefix_of is not null and tenant_id = ${tx.tenantId} and agent_id = ${agentId}
        and version_id = v.prefix_of offset 0) m on true
    left join lateral (
      select object_key from objects where tenant_id = ${tx.tenantId}
        and object_id = coalesce(m.object_id, v.object_id) offset 0) o on true`
}

/** The version of a node with a number, or the newest not after an instant. */
export async function findVersionOfNode(
  tx: TenantTransaction,
  agentId: string,
  nodeId: string,
  choice: { readonly number: number } | { readonly at: Date },
): Promise<VersionRow | undefined> {
  const number = 'number' in choice ? choice.number : null
  const at = 'at' in choice ? choice.at : null
  const [row] = await tx.query<VersionRow>`
    select v.node_id, v.version_id, v.number, v.parents, v.author, v.size, v.content_mac, v.key_id, v.epoch, v.seq,
      v.created_at, v.prefix_of, coalesce(m.sealed, v.sealed) as sealed, coalesce(m.sealed_length, v.sealed_length) as sealed_length,
      o.object_key, coalesce(m.object_offset, v.object_offset) as object_offset
    from versions v
    left join versions m on m.tenant_id = ${tx.tenantId} and m.agent_id = ${agentId} and m.version_id = v.prefix_of
    left join objects o on o.tenant_id = v.tenant_id and o.object_id = coalesce(m.object_id, v.object_id)
    where v.tenant_id = ${tx.tenantId} and v.agent_id = ${agentId} and v.node_id = ${nodeId}
      and (${number}::integer is null or v.number = ${number}::integer)
      and (${at}::timestamptz is null or v.created_at <= ${at}::timestamptz)
    order by v.number desc limit 1`
  return row
}

/** A version without what its content is read by. */
export type ListedVersion = Omit<VersionRow, keyof SealedPlace | 'prefixOf'>

/** Versions of a node, newest first, below a number. */
export function listVersions(
  tx: TenantTransaction,
  agentId: string,
  nodeId: string,
  below: number,
  limit: number,
): Promise<ListedVersion[]> {
  return tx.query<ListedVersion>`
    select node_id, version_id, number, parents, author, size, content_mac, key_id, epoch, seq, created_at
    from versions where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and node_id = ${nodeId} and number < ${below}
    order by number desc limit ${limit}`
}
