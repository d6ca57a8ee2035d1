import { arrayLiteral } from './array-literal.js'
import { type Statement, statement } from './statement.js'
import type { TenantTransaction } from './transaction.js'
import type { SealedPlace } from './versions-store.js'

/** A part's row. */
export interface PartRow extends SealedPlace {
  readonly partId: string
  readonly nodeId: string
  readonly keyId: string
  readonly size: number
  readonly contentMac: Uint8Array
  readonly named: boolean
  readonly objectId: string | null
}

/** A part to add: its sealed bytes, or the object that holds them alone. */
export interface NewPartRow {
  readonly partId: string
  readonly nodeId: string
  readonly keyId: string
  readonly size: number
  readonly contentMac: Uint8Array
  readonly sealed: Uint8Array | null
  readonly sealedLength: number
  readonly objectId: string | null
  /** The parts that a page of extents lists; none for a part that holds content. */
  readonly partIds?: readonly string[]
}

/** Adds parts; without `seq` they wait for a push to name them. A part that is there already stays as it is. */
export function partsInserted(
  tenantId: string,
  agentId: string,
  rows: readonly NewPartRow[],
  commit: { readonly epoch: number; readonly seq: number | null; readonly at: Date },
): Statement {
  return statement`
    insert into parts (tenant_id, agent_id, epoch, seq, created_at, part_id, node_id, key_id, size, content_mac, sealed,
      sealed_length, object_id, part_ids, object_offset)
    select ${tenantId}::uuid, ${agentId}::uuid, ${commit.epoch}::integer, ${commit.seq}::bigint, ${commit.at}::timestamptz,
      p.part_id, p.node_id, p.key_id, p.size, p.content_mac, p.sealed, p.sealed_length, p.object_id, p.part_ids::uuid[],
      case when p.object_id is null then null else 0 end
    from unnest(
      ${arrayLiteral(rows.map((row) => row.partId))}::uuid[], ${arrayLiteral(rows.map((row) => row.nodeId))}::uuid[],
      ${arrayLiteral(rows.map((row) => row.keyId))}::uuid[], ${arrayLiteral(rows.map((row) => row.size))}::integer[],
      ${arrayLiteral(rows.map((row) => row.contentMac))}::bytea[], ${arrayLiteral(rows.map((row) => row.sealed))}::bytea[],
      ${arrayLiteral(rows.map((row) => row.sealedLength))}::integer[],
      ${arrayLiteral(rows.map((row) => row.objectId))}::uuid[],
      ${arrayLiteral(rows.map(({ partIds }) => (partIds === undefined ? null : `{${partIds.join(',')}}`)))}::text[]
    ) as p(part_id, node_id, key_id, size, content_mac, sealed, sealed_length, object_id, part_ids)
    on conflict (tenant_id, agent_id, part_id) do nothing returning part_id`
}

/** Sends `partsInserted`; gives the ids of those that were not there. */
export function insertParts(
  tx: TenantTransaction,
  agentId: string,
  rows: readonly NewPartRow[],
  commit: { readonly epoch: number; readonly seq: number | null; readonly at: Date },
): Promise<{ readonly partId: string }[]> {
  return tx.run<{ partId: string }>(partsInserted(tx.tenantId, agentId, rows, commit))
}

/**
 * Gives uploaded parts the commit that first names them; gives how many of them there are, named before or now. Under
 * the stream's lock, which whoever drops unnamed parts takes too: those that are there stay.
 */
export async function nameParts(
  tx: TenantTransaction,
  agentId: string,
  partIds: readonly string[],
  commit: { readonly epoch: number; readonly seq: number },
): Promise<number> {
  const ids = arrayLiteral(partIds)
  const [row] = await tx.query<{ there: number }>`
    with named as (
      update parts set seq = ${commit.seq}, epoch = ${commit.epoch}
      where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and seq is null and part_id = any (${ids}::uuid[]))
    select count(*)::integer as there from parts
    where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and part_id = any (${ids}::uuid[])`
  return row?.there ?? 0
}

/** Parts by id, with their sealed bytes where those are in the row. */
export function findParts(
  tx: TenantTransaction,
  agentId: string,
  partIds: readonly string[],
): Promise<PartRow[]> {
  return tx.query<PartRow>`
    select p.part_id, p.node_id, p.key_id, p.size, p.content_mac, p.seq is not null as named, p.sealed, p.sealed_length,
      p.object_id, o.object_key, p.object_offset
    from unnest(${arrayLiteral(partIds)}::uuid[]) as w(id)
    cross join lateral (
      select * from parts where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and part_id = w.id offset 0) p
    left join lateral (
      select object_key from objects where tenant_id = ${tx.tenantId} and object_id = p.object_id offset 0) o on true`
}

/** Parts by id without their bytes. */
export function findPartFacts(
  tx: TenantTransaction,
  agentId: string,
  partIds: readonly string[],
): Promise<(Omit<PartRow, keyof SealedPlace> & { readonly staged: boolean })[]> {
  return tx.query<Omit<PartRow, keyof SealedPlace> & { staged: boolean }>`
    select p.part_id, p.node_id, p.key_id, p.size, p.content_mac, p.named, p.object_id, p.staged
    from unnest(${arrayLiteral(partIds)}::uuid[]) as w(id)
    cross join lateral (
      select part_id, node_id, key_id, size, content_mac, seq is not null as named, object_id, sealed is not null as staged
      from parts where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and part_id = w.id offset 0) p`
}

/** A version up to here is small: whoever reads it is about to read all of it. */
const SMALL_BYTES = 64 * 1024
/** A version of more parts than this is no longer read in one go. */
const SMALL_PARTS_MAX = 16

/** A part of a small version, which is in the object store. */
export interface PartOfSmall extends PartRow {
  /** Of a version that names it. */
  readonly versionId: string
}

/**
 * The stored parts of those versions that are small and stored themselves: so that their bytes can be fetched together with
 * the manifests that name them.
 */
export function findPartsOfSmall(
  tx: TenantTransaction,
  agentId: string,
  versionIds: readonly string[],
): Promise<PartOfSmall[]> {
  return tx.query<PartOfSmall>`
    select v.version_id, p.part_id, p.node_id, p.key_id, p.size, p.content_mac, p.seq is not null as named, null as sealed,
      p.sealed_length, p.object_id, o.object_key, p.object_offset
    from unnest(${arrayLiteral(versionIds)}::uuid[]) as w(id)
    cross join lateral (
      select version_id, part_ids from versions
      where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and version_id = w.id and sealed is null
        and size <= ${SMALL_BYTES} and cardinality(part_ids) <= ${SMALL_PARTS_MAX} offset 0) v
    cross join lateral unnest(v.part_ids) as n(id)
    cross join lateral (
      select * from parts
      where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and part_id = n.id and sealed is null
        and sealed_length <= ${2 * SMALL_BYTES} offset 0) p
    cross join lateral (
      select object_key from objects where tenant_id = ${tx.tenantId} and object_id = p.object_id offset 0) o`
}
