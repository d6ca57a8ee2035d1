import { arrayLiteral } from '../array-literal.js'
import type { NewObject } from '../packing/object-rows-store.js'
import type { TenantTransaction } from '../transaction.js'

/** An object that stands in the bucket. */
export interface FoundObject extends NewObject {
  readonly size: number
  readonly checksum: Uint8Array | null
}

/** Gives objects of the bucket their rows, as live; `settleObjects` says later which of them nothing needs. */
export async function insertFoundObjects(
  tx: TenantTransaction,
  objects: readonly FoundObject[],
  at: Date,
): Promise<void> {
  const column = (pick: (object: FoundObject) => string | number | Uint8Array | null): string =>
    arrayLiteral(objects.map(pick))
  await tx.query`
    insert into objects (tenant_id, object_id, stream_id, kind, object_key, state, size, live_bytes, checksum, epoch, first_seq,
      last_seq, created_at)
    select ${tx.tenantId}::uuid, o.id, o.stream_id, o.kind, o.object_key, 'live', o.size, o.size, o.checksum, o.epoch,
      o.first_seq, o.last_seq, ${at}::timestamptz
    from unnest(
      ${column((object) => object.objectId)}::uuid[], ${column((object) => object.streamId)}::uuid[],
      ${column((object) => object.kind)}::text[], ${column((object) => object.objectKey)}::text[],
      ${column((object) => object.size)}::bigint[], ${column((object) => object.checksum)}::bytea[],
      ${column((object) => object.epoch)}::integer[], ${column((object) => object.firstSeq)}::bigint[],
      ${column((object) => object.lastSeq)}::bigint[]
    ) as o(id, stream_id, kind, object_key, size, checksum, epoch, first_seq, last_seq)
    on conflict (tenant_id, object_id) do update set state = 'live', dead_at = null, size = excluded.size,
      checksum = coalesce(excluded.checksum, objects.checksum),
      stream_id = coalesce(objects.stream_id, excluded.stream_id),
      epoch = case when objects.stream_id is null then excluded.epoch else objects.epoch end,
      first_seq = case when objects.stream_id is null then excluded.first_seq else objects.first_seq end,
      last_seq = case when objects.stream_id is null then excluded.last_seq else objects.last_seq end`
}

/**
 * Gives objects that could not be read rows of no stream: they are known, so that nobody takes them for what a later database
 * wrote, and nothing deletes them before somebody has mended or removed them. Checks go on naming them.
 */
export async function insertUnreadObjects(
  tx: TenantTransaction,
  objects: readonly (Pick<NewObject, 'objectId' | 'kind' | 'objectKey'> & { readonly size: number })[],
  at: Date,
): Promise<void> {
  await tx.query`
    insert into objects (tenant_id, object_id, kind, object_key, state, size, live_bytes, created_at)
    select ${tx.tenantId}::uuid, o.id, o.kind, o.object_key, 'live', o.size, 0, ${at}::timestamptz
    from unnest(
      ${arrayLiteral(objects.map(({ objectId }) => objectId))}::uuid[],
      ${arrayLiteral(objects.map(({ kind }) => kind))}::text[],
      ${arrayLiteral(objects.map(({ objectKey }) => objectKey))}::text[],
      ${arrayLiteral(objects.map(({ size }) => size))}::bigint[]) as o(id, kind, object_key, size)
    on conflict (tenant_id, object_id) do nothing`
}

/**
 * Counts what rows point at in the segments and parts of some streams. What nothing points at is dead, and goes after the
 * grace time as everything dead does. Gives how many those are.
 */
export async function settleObjects(
  tx: TenantTransaction,
  streams: { readonly agentId: string | null; readonly streamIds: readonly string[] },
  at: Date,
): Promise<number> {
  const { tenantId } = tx
  const { agentId } = streams
  const ids = arrayLiteral(streams.streamIds)
  const rows = await tx.query<{ state: string }>`
    with used as (
      select object_id, sum(bytes)::bigint as bytes from (
        select object_id, sealed_length as bytes from parts
          where tenant_id = ${tenantId} and agent_id = ${agentId} and object_id is not null
        union all
        select object_id, sealed_length from versions
          where tenant_id = ${tenantId} and agent_id = ${agentId} and object_id is not null
        union all
        select object_id, sealed_length from (
          select distinct on (coalesce(block_id, record_id)) object_id, sealed_length from records
          where tenant_id = ${tenantId} and stream_id = any (${ids}::uuid[]) and object_id is not null
        ) r
      ) u group by object_id
    )
    update objects o set live_bytes = coalesce(u.bytes, 0),
      state = case when u.bytes is null then 'dead' else 'live' end,
      dead_at = case when u.bytes is null then ${at}::timestamptz else null end
    from objects f left join used u on u.object_id = f.object_id
    where o.tenant_id = ${tenantId} and o.object_id = f.object_id and f.tenant_id = ${tenantId}
      and f.stream_id = any (${ids}::uuid[]) and f.kind in ('segment', 'part') and f.state = 'live'
    returning o.state`
  return rows.filter(({ state }) => state === 'dead').length
}

/** A head whose bytes cannot be had, by the file's last name. */
export interface MissingHead {
  readonly nodeId: string
  readonly versionId: string
  readonly name: Uint8Array | null
  /** False where the version itself is missing, true where some of its parts are. */
  readonly versionThere: boolean
}

/** Heads of living files without a version, or with parts that are nowhere; those of erased keys are meant to be. */
export function missingHeads(tx: TenantTransaction, agentId: string, limit: number): Promise<MissingHead[]> {
  const { tenantId } = tx
  return tx.query<MissingHead>`
    select n.node_id, n.head_version as version_id, v.version_id is not null as version_there,
      (select e.name from entries e where e.tenant_id = ${tenantId} and e.agent_id = ${agentId} and e.node_id = n.node_id
        limit 1) as name
    from nodes n
    left join versions v on v.tenant_id = n.tenant_id and v.agent_id = n.agent_id and v.version_id = n.head_version
    where n.tenant_id = ${tenantId} and n.agent_id = ${agentId} and n.head_version is not null and n.deleted_at is null
      and (v.version_id is null or exists (
        select from unnest(v.part_ids) as p(id) where not exists (
          select from parts t where t.tenant_id = ${tenantId} and t.agent_id = ${agentId} and t.part_id = p.id
            and not exists (select from unnest(t.part_ids) as i(id) where not exists (
              select from parts u where u.tenant_id = ${tenantId} and u.agent_id = ${agentId} and u.part_id = i.id)))))
    order by n.node_id limit ${limit}`
}

/**
 * Gives each head without a version a row that says so: reading it fails as damaged, not as missing, and a writer's base is
 * still known.
 */
export async function markMissingHeads(tx: TenantTransaction, agentId: string): Promise<void> {
  const { tenantId } = tx
  await tx.query`
    insert into versions (tenant_id, agent_id, node_id, version_id, number, parents, author, size, content_mac, part_ids,
      key_id, epoch, seq, created_at, sealed_length)
    select n.tenant_id, n.agent_id, n.node_id, n.head_version, n.number, '{}', n.modified_by, n.size, ''::bytea, '{}',
      coalesce((select k.key_id from content_keys k where k.tenant_id = ${tenantId} and k.agent_id = ${agentId}
        and k.node_id = n.node_id order by k.key_id desc limit 1), n.node_id),
      s.epoch, n.seq, n.modified_at, 0
    from nodes n
    join streams s on s.tenant_id = n.tenant_id and s.stream_id = n.agent_id
    where n.tenant_id = ${tenantId} and n.agent_id = ${agentId} and n.head_version is not null and not exists (
      select from versions v where v.tenant_id = ${tenantId} and v.agent_id = ${agentId} and v.version_id = n.head_version)
    on conflict do nothing`
}

/** Passes the keys of ids that became aliases to the nodes they stand for; a file's own key seals its new content again. */
export async function restoreKeyOwners(tx: TenantTransaction, agentId: string): Promise<void> {
  const { tenantId } = tx
  await tx.query`
    update content_keys k set node_id = a.node_id from aliases a
    where k.tenant_id = ${tenantId} and k.agent_id = ${agentId} and a.tenant_id = ${tenantId} and a.agent_id = ${agentId}
      and k.node_id = a.alias_id`
  // A conflict copy shares the key of the file it came from until it has content of its own.
  await tx.query`
    update nodes n set content_key_id = v.key_id from versions v, content_keys k
    where n.tenant_id = ${tenantId} and n.agent_id = ${agentId} and n.head_version is not null
      and v.tenant_id = ${tenantId} and v.agent_id = ${agentId} and v.version_id = n.head_version
      and k.tenant_id = ${tenantId} and k.key_id = v.key_id and k.node_id = n.node_id`
}
