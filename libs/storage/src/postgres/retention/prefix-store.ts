import type { TenantScope } from '@agentfs/access'
import { arrayLiteral } from '../array-literal.js'
import type { Database } from '../database.js'
import { type ReleasedBytes, releaseBytes } from '../release-bytes.js'
import type { TenantTransaction } from '../transaction.js'
import { deleteParts, partsOnlyOf } from './free-parts.js'

/** A stored version with a manifest of its own that may be, or become, the end of a run of appends. */
export interface RunVersion {
  readonly versionId: string
  readonly number: number
  readonly parents: readonly string[]
  readonly size: number
  readonly keyId: string
  /** True where some node has it as its head. */
  readonly head: boolean
  /** Versions that are beginnings of it. */
  readonly prefixes: number
}

/** What makes the row of a version that is the beginning of another one; the list in the bucket says the same. */
export interface PrefixRow {
  readonly versionId: string
  readonly nodeId: string
  readonly number: number
  readonly parents: readonly string[]
  readonly author: string
  readonly size: number
  readonly keyId: string
  readonly epoch: number
  readonly seq: number
  readonly createdAt: Date
}

/** Versions that can become beginnings of another one, with what that frees; found without a lock. */
export interface PrefixPlan {
  readonly agentId: string
  readonly targetId: string
  /** Versions with manifests that lose them, oldest first. */
  readonly versionIds: readonly string[]
  /** All that are to be beginnings of the target: these, theirs, and those that it has. */
  readonly rows: readonly PrefixRow[]
  readonly partIds: readonly string[]
  readonly seenSeq: number
}

/** What became of a plan. */
export interface Prefixed {
  readonly versions: number
  readonly parts: number
  readonly bytes: number
  readonly objectsDead: number
}

/** Makes runs of appends into beginnings of their newest version. */
export class PrefixStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** The next file of an agent, after one, that has at least some stored versions from before an instant. */
  async nextNode(
    scope: TenantScope,
    agentId: string,
    after: string,
    { before, versionsMin }: { readonly before: Date; readonly versionsMin: number },
  ): Promise<string | undefined> {
    const [row] = await this.#database.withTenant(
      scope,
      (tx) => tx.query<{ nodeId: string }>`
        select node_id from versions
        where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and node_id > ${after} and object_id is not null
          and created_at < ${before}
        group by node_id having count(*) >= ${versionsMin} order by node_id limit 1`,
    )
    return row?.nodeId
  }

  /** Stored versions of a file with manifests, from before an instant, by number, from one number on. */
  async versionsFrom(
    scope: TenantScope,
    agentId: string,
    nodeId: string,
    from: number,
    { before, limit }: { readonly before: Date; readonly limit: number },
  ): Promise<RunVersion[]> {
    return this.#database.withTenant(
      scope,
      (tx) => tx.query<RunVersion>`
        select v.version_id, v.number, v.parents, v.size, v.key_id, exists (select from nodes n
            where n.tenant_id = ${tx.tenantId} and n.agent_id = ${agentId} and n.head_version = v.version_id) as head,
          (select count(*) from versions p where p.tenant_id = ${tx.tenantId} and p.agent_id = ${agentId}
            and p.prefix_of = v.version_id)::integer as prefixes
        from versions v
        where v.tenant_id = ${tx.tenantId} and v.agent_id = ${agentId} and v.node_id = ${nodeId} and v.number >= ${from}
          and v.object_id is not null and v.created_at < ${before}
        order by v.number limit ${limit}`,
    )
  }

  /** What making versions into beginnings of another one takes and frees. */
  async plan(
    scope: TenantScope,
    agentId: string,
    targetId: string,
    versionIds: readonly string[],
  ): Promise<PrefixPlan> {
    return this.#database.withTenant(scope, async (tx) => {
      const [head] = await tx.query<{ headSeq: number }>`
        select head_seq from streams where tenant_id = ${tx.tenantId} and stream_id = ${agentId}`
      const rows = await prefixRows(tx, agentId, targetId, versionIds)
      const partIds = await partsOnlyOf(tx, agentId, versionIds)
      return { agentId, targetId, versionIds, rows, partIds, seenSeq: head?.headSeq ?? 0 }
    })
  }

  /**
   * Carries a plan out, in one transaction under the agent's lock, once its list is in the object store. Undefined, and the
   * list dead, where the versions are no longer as they were planned, or the list was given up meanwhile.
   */
  async switchTo(
    scope: TenantScope,
    plan: PrefixPlan,
    list: { readonly objectId: string; readonly size: number; readonly checksum: Uint8Array },
    now: Date,
  ): Promise<Prefixed | undefined> {
    const { agentId, targetId, versionIds } = plan
    return this.#database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      await tx.query`select from streams where tenant_id = ${tenantId} and stream_id = ${agentId} for update`
      const [object] = await tx.query<{ state: string }>`
        select state from objects where tenant_id = ${tenantId} and object_id = ${list.objectId} for update`
      if (object?.state !== 'writing' || !(await isAsPlanned(tx, plan))) {
        await tx.query`update objects set state = 'dead', dead_at = ${now}
          where tenant_id = ${tenantId} and object_id = ${list.objectId} and state = 'writing'`
        return undefined
      }
      const ids = arrayLiteral(versionIds)
      const released = await tx.query<ReleasedBytes>`
        select object_id, sealed_length as bytes from versions
        where tenant_id = ${tenantId} and agent_id = ${agentId} and version_id = any (${ids}::uuid[])`
      // A keyed hash of how the content was laid out says nothing once that is another's.
      await tx.query`
        update versions set prefix_of = ${targetId}, part_ids = '{}', content_mac = ''::bytea, object_id = null,
          object_offset = null, sealed_length = 0
        where tenant_id = ${tenantId} and agent_id = ${agentId} and version_id = any (${ids}::uuid[])`
      await tx.query`
        update versions set prefix_of = ${targetId}
        where tenant_id = ${tenantId} and agent_id = ${agentId} and prefix_of = any (${ids}::uuid[])`
      const parts = await deleteParts(tx, plan)
      const freed = parts.flatMap(({ objectId, bytes }) => (objectId === null ? [] : [{ objectId, bytes }]))
      const all = [...released, ...freed]
      const objectsDead = await releaseBytes(tx, agentId, all, now)
      await tx.query`update objects set state = 'live', size = ${list.size}, live_bytes = ${list.size},
        checksum = ${list.checksum} where tenant_id = ${tenantId} and object_id = ${list.objectId}`
      const lists = await dropLists(tx, agentId, [targetId, ...versionIds], list.objectId, now)
      return {
        versions: versionIds.length,
        parts: parts.length,
        bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
        objectsDead: objectsDead + lists,
      }
    })
  }

  /** Calls lists dead that no version needs any more; gives how many. */
  async dropNeedless(scope: TenantScope, agentId: string, now: Date): Promise<number> {
    return this.#database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      await tx.query`select from streams where tenant_id = ${tenantId} and stream_id = ${agentId} for update`
      const rows = await tx.query`
        update objects o set state = 'dead', dead_at = ${now}, live_bytes = 0
        where o.tenant_id = ${tenantId} and o.stream_id = ${agentId} and o.kind = 'prefixes' and o.state = 'live'
          and not exists (select from versions v where v.tenant_id = ${tenantId} and v.agent_id = ${agentId}
            and v.prefix_of = left(split_part(o.object_key, '/prefixes/', 2), 36)::uuid)
        returning o.object_id`
      return rows.length
    })
  }
}

/** Puts versions back as beginnings of another one that is there with its manifest; those that have manifests lose them. */
export async function restorePrefixes(
  tx: TenantTransaction,
  agentId: string,
  targetId: string,
  rows: readonly PrefixRow[],
): Promise<number> {
  const { tenantId } = tx
  const column = (pick: (row: PrefixRow) => string | number | Date): string => arrayLiteral(rows.map(pick))
  const restored = await tx.query`
    insert into versions (tenant_id, agent_id, node_id, version_id, number, parents, author, size, content_mac, part_ids,
      key_id, epoch, seq, created_at, sealed_length, prefix_of)
    select ${tenantId}::uuid, ${agentId}::uuid, v.node_id, v.version_id, v.number, v.parents::uuid[], v.author, v.size,
      ''::bytea, '{}'::uuid[], v.key_id, v.epoch, v.seq, v.created_at, 0, ${targetId}::uuid
    from unnest(
      ${column((row) => row.nodeId)}::uuid[], ${column((row) => row.versionId)}::uuid[],
      ${column((row) => row.number)}::integer[], ${column((row) => `{${row.parents.join(',')}}`)}::text[],
      ${column((row) => row.author)}::text[], ${column((row) => row.size)}::bigint[],
      ${column((row) => row.keyId)}::uuid[], ${column((row) => row.epoch)}::integer[],
      ${column((row) => row.seq)}::bigint[], ${column((row) => row.createdAt)}::timestamptz[]
    ) as v(node_id, version_id, number, parents, author, size, key_id, epoch, seq, created_at)
    join versions t on t.tenant_id = ${tenantId} and t.agent_id = ${agentId} and t.version_id = ${targetId}
      and t.prefix_of is null and t.node_id = v.node_id and t.size >= v.size
    join records r on r.tenant_id = ${tenantId} and r.stream_id = ${agentId} and r.epoch = v.epoch and r.seq = v.seq
    on conflict (tenant_id, agent_id, version_id) do update set prefix_of = excluded.prefix_of, part_ids = '{}',
      content_mac = ''::bytea, object_id = null, object_offset = null, sealed = null, sealed_length = 0
    returning version_id`
  return restored.length
}

function prefixRows(
  tx: TenantTransaction,
  agentId: string,
  targetId: string,
  versionIds: readonly string[],
): Promise<PrefixRow[]> {
  return tx.query<PrefixRow>`
    select version_id, node_id, number, parents, author, size, key_id, epoch, seq, created_at from versions
    where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and (version_id = any (${arrayLiteral(versionIds)}::uuid[])
      or prefix_of = any (${arrayLiteral([targetId, ...versionIds])}::uuid[]))
    order by number, version_id`
}

/** Whether a plan's versions still have their manifests, none is a head, and the list names exactly what it has to. */
async function isAsPlanned(
  tx: TenantTransaction,
  { agentId, targetId, versionIds, rows }: PrefixPlan,
): Promise<boolean> {
  const { tenantId } = tx
  const ids = arrayLiteral([targetId, ...versionIds])
  const there = await tx.query<{ versionId: string }>`
    select version_id from versions where tenant_id = ${tenantId} and agent_id = ${agentId}
      and version_id = any (${ids}::uuid[]) and prefix_of is null and object_id is not null`
  const heads = await tx.query`
    select from nodes where tenant_id = ${tenantId} and agent_id = ${agentId}
      and head_version = any (${arrayLiteral(versionIds)}::uuid[]) limit 1`
  if (there.length !== versionIds.length + 1 || heads.length > 0) return false
  const now = await prefixRows(tx, agentId, targetId, versionIds)
  const planned = new Set(rows.map(({ versionId }) => versionId))
  return now.length === planned.size && now.every(({ versionId }) => planned.has(versionId))
}

/** Calls the lists of some versions dead, but one. */
async function dropLists(
  tx: TenantTransaction,
  agentId: string,
  versionIds: readonly string[],
  butId: string,
  now: Date,
): Promise<number> {
  const rows = await tx.query`
    update objects set state = 'dead', dead_at = ${now}, live_bytes = 0
    where tenant_id = ${tx.tenantId} and stream_id = ${agentId} and kind = 'prefixes' and state = 'live'
      and object_id <> ${butId}
      and left(split_part(object_key, '/prefixes/', 2), 36) = any (${arrayLiteral(versionIds)}::text[])
    returning object_id`
  return rows.length
}
