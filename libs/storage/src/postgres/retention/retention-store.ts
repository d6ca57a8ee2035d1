import type { TenantScope } from '@agentfs/access'
import type { AgentSettings } from '@agentfs/contracts'
import { arrayLiteral } from '../array-literal.js'
import type { Database } from '../database.js'
import { eraseNodes } from '../erasure-store.js'
import { type ReleasedBytes, releaseBytes } from '../release-bytes.js'
import { deleteParts, type DeletedRow, partsOnlyOf } from './free-parts.js'
import type { TenantTransaction } from '../transaction.js'

/** Until when what is kept. */
export interface RetentionCutoffs {
  /** A version that was replaced before this may go. */
  readonly allSince: Date
  /** One that was the last of its day (UTC) may go only where it was replaced before this. */
  readonly dailySince: Date
  /** A file that was deleted before this is forgotten. */
  readonly deletedSince: Date
}

/** An agent whose versions are to be looked through. */
export interface RetainedAgent {
  readonly agentId: string
  readonly settings: AgentSettings
}

/** What may go of one batch of an agent's files; found without a lock. */
export interface PrunePlan {
  readonly agentId: string
  /** The agent's head when this was found: what was committed since has a higher seq. */
  readonly seenSeq: number
  readonly versionIds: readonly string[]
  /** Parts that these versions alone name. */
  readonly partIds: readonly string[]
  /** Deleted files past their window: all of them goes but a row that says they were. */
  readonly forgottenNodeIds: readonly string[]
  /** False where they have more versions than may go at once: some of these go first, and the files with the last of them. */
  readonly forgets: boolean
  /** The last file that was looked at; null where there are no more. */
  readonly lastNodeId: string | null
  /** More of the same files may go than was asked for at once. */
  readonly more: boolean
}

/** What went. */
export interface Pruned {
  readonly versions: number
  readonly parts: number
  readonly bytes: number
  readonly objectsDead: number
  readonly filesForgotten: number
  readonly erasedKeyIds: readonly string[]
}

/** Finds and forgets versions past retention. */
export class RetentionStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** The agent with an id, or the next one after it; undefined where there is none. */
  async agent(scope: TenantScope, id: string, after: boolean): Promise<RetainedAgent | undefined> {
    const [row] = await this.#database.withTenant(
      scope,
      (tx) => tx.query<RetainedAgent>`
        select agent_id, settings from agents
        where tenant_id = ${tx.tenantId} and agent_id >= ${id} and (agent_id = ${id}) <> ${after}
        order by agent_id limit 1`,
    )
    return row
  }

  /**
   * What may go of the next `nodesMax` files after one; at most `versionsMax` versions that are no heads. Kept are heads,
   * versions that a version of the time in which all are kept names as its parent, and those whose content others share.
   */
  async plan(
    scope: TenantScope,
    agentId: string,
    cutoffs: RetentionCutoffs,
    afterNodeId: string,
    { nodesMax, versionsMax }: { readonly nodesMax: number; readonly versionsMax: number },
  ): Promise<PrunePlan> {
    return this.#database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      const [head] = await tx.query<{ headSeq: number }>`
        select head_seq from streams where tenant_id = ${tenantId} and stream_id = ${agentId}`
      const nodes = await tx.query<{ nodeId: string; forgotten: boolean }>`
        select node_id, coalesce(deleted_at < ${cutoffs.deletedSince}, false) as forgotten from nodes
        where tenant_id = ${tenantId} and agent_id = ${agentId} and node_id > ${afterNodeId} and kind = 'file'
          and head_version is not null
        order by node_id limit ${nodesMax}`
      const standing = nodes.filter(({ forgotten }) => !forgotten).map(({ nodeId }) => nodeId)
      const forgottenNodeIds = nodes.filter(({ forgotten }) => forgotten).map(({ nodeId }) => nodeId)
      const { found, more } = await prunableVersions(tx, agentId, standing, cutoffs, versionsMax)
      const room = versionsMax - found.length
      const former = await formerVersionsOf(tx, agentId, forgottenNodeIds, room + 1)
      const forgets = former.length <= room
      const heads = forgets ? await headsOf(tx, agentId, forgottenNodeIds) : []
      const versionIds = [...found, ...former.slice(0, room), ...heads]
      const partIds = await partsOnlyOf(tx, agentId, versionIds)
      const last = nodes.length < nodesMax ? undefined : nodes.at(-1)
      return {
        agentId,
        seenSeq: head?.headSeq ?? 0,
        versionIds,
        partIds,
        forgottenNodeIds,
        forgets,
        lastNodeId: last?.nodeId ?? null,
        more: more || !forgets,
      }
    })
  }

  /**
   * Forgets what a plan found, in one transaction under the agent's lock. What was committed since the plan counts: a file
   * that was brought back stays, a part that a new version or page names stays.
   */
  async prune(scope: TenantScope, plan: PrunePlan, cutoffs: RetentionCutoffs, now: Date): Promise<Pruned> {
    const { agentId } = plan
    return this.#database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      // The lock of every commit.
      await tx.query`select from streams where tenant_id = ${tenantId} and stream_id = ${agentId} for update`
      const forgotten = await tx.query<{ nodeId: string }>`
        select node_id from nodes where tenant_id = ${tenantId} and agent_id = ${agentId}
          and node_id = any (${arrayLiteral(plan.forgottenNodeIds)}::uuid[]) and deleted_at < ${cutoffs.deletedSince}`
      const forgottenIds = forgotten.map(({ nodeId }) => nodeId)
      // While their versions still tell which keys they used: before the first of them goes.
      const keys = forgottenIds.length === 0 ? undefined : await eraseNodes(tx, agentId, forgottenIds, now)
      if (plan.forgets) {
        await tx.query`update nodes set head_version = null where tenant_id = ${tenantId} and agent_id = ${agentId}
          and node_id = any (${arrayLiteral(forgottenIds)}::uuid[])`
      }
      const versions = await deleteVersions(tx, plan)
      const parts = await deleteParts(tx, plan)
      const released = [...versions, ...parts].flatMap(({ objectId, bytes }) =>
        objectId === null ? [] : [{ objectId, bytes } satisfies ReleasedBytes],
      )
      const objectsDead = await releaseBytes(tx, agentId, released, now)
      return {
        versions: versions.length,
        parts: parts.length,
        bytes: released.reduce((sum, { bytes }) => sum + bytes, 0),
        objectsDead,
        filesForgotten: plan.forgets ? forgottenIds.length : 0,
        erasedKeyIds: keys?.erased ?? [],
      }
    })
  }
}

async function prunableVersions(
  tx: TenantTransaction,
  agentId: string,
  nodeIds: readonly string[],
  { allSince, dailySince }: RetentionCutoffs,
  limit: number,
): Promise<{ found: string[]; more: boolean }> {
  const { tenantId } = tx
  const rows = await tx.query<{ versionId: string }>`
    with ranked as (
      select v.version_id, v.node_id, v.number, v.sealed is null as stored, lead(v.created_at) over w as until_at,
        date_trunc('day', v.created_at at time zone 'UTC') as day,
        lead(date_trunc('day', v.created_at at time zone 'UTC')) over w as next_day
      from versions v
      where v.tenant_id = ${tenantId} and v.agent_id = ${agentId} and v.node_id = any (${arrayLiteral(nodeIds)}::uuid[])
      window w as (partition by v.node_id order by v.number))
    select r.version_id from ranked r
    join nodes n on n.tenant_id = ${tenantId} and n.agent_id = ${agentId} and n.node_id = r.node_id
    where r.stored and r.version_id <> n.head_version and r.until_at < ${allSince}
      and not (r.until_at >= ${dailySince} and r.day <> r.next_day)
      and not exists (select from versions q where q.tenant_id = ${tenantId} and q.agent_id = ${agentId}
        and q.prefix_of = r.version_id)
    order by r.node_id, r.number limit ${limit}`
  if (rows.length === 0) return { found: [], more: false }
  const found = rows.map(({ versionId }) => versionId)
  // A merge may still want the base of what was written a while ago, whichever file it is of.
  const pinned = await tx.query<{ id: string }>`
    select distinct p.id from versions v cross join lateral unnest(v.parents) as p(id)
    where v.tenant_id = ${tenantId} and v.agent_id = ${agentId} and v.created_at >= ${allSince}
      and p.id = any (${arrayLiteral(found)}::uuid[])`
  const kept = new Set(pinned.map(({ id }) => id))
  return { found: found.filter((id) => !kept.has(id)), more: rows.length === limit }
}

/** Stored versions of files that are not their heads; beginnings of others before those that they are beginnings of. */
async function formerVersionsOf(
  tx: TenantTransaction,
  agentId: string,
  nodeIds: readonly string[],
  limit: number,
): Promise<string[]> {
  if (nodeIds.length === 0) return []
  const rows = await tx.query<{ versionId: string }>`
    select v.version_id from versions v
    join nodes n on n.tenant_id = ${tx.tenantId} and n.agent_id = ${agentId} and n.node_id = v.node_id
    where v.tenant_id = ${tx.tenantId} and v.agent_id = ${agentId} and v.node_id = any (${arrayLiteral(nodeIds)}::uuid[])
      and v.sealed is null and v.version_id is distinct from n.head_version
    order by v.prefix_of is null, v.node_id, v.number limit ${limit}`
  return rows.map(({ versionId }) => versionId)
}

async function headsOf(
  tx: TenantTransaction,
  agentId: string,
  nodeIds: readonly string[],
): Promise<string[]> {
  if (nodeIds.length === 0) return []
  const rows = await tx.query<{ versionId: string }>`
    select v.version_id from nodes n
    join versions v on v.tenant_id = ${tx.tenantId} and v.agent_id = ${agentId} and v.version_id = n.head_version
    where n.tenant_id = ${tx.tenantId} and n.agent_id = ${agentId} and n.node_id = any (${arrayLiteral(nodeIds)}::uuid[])
      and v.node_id = n.node_id and v.sealed is null`
  return rows.map(({ versionId }) => versionId)
}

function deleteVersions(tx: TenantTransaction, plan: PrunePlan): Promise<DeletedRow[]> {
  return tx.query<DeletedRow>`
    delete from versions v
    where v.tenant_id = ${tx.tenantId} and v.agent_id = ${plan.agentId}
      and v.version_id = any (${arrayLiteral(plan.versionIds)}::uuid[]) and v.sealed is null
      and not exists (select from nodes n where n.tenant_id = ${tx.tenantId} and n.agent_id = ${plan.agentId}
        and n.node_id = v.node_id and (n.head_version = v.version_id
          or (n.deleted_at is null and n.node_id = any (${arrayLiteral(plan.forgottenNodeIds)}::uuid[]))))
      and not exists (select from versions q where q.tenant_id = ${tx.tenantId} and q.agent_id = ${plan.agentId}
        and q.prefix_of = v.version_id and q.version_id <> all (${arrayLiteral(plan.versionIds)}::uuid[]))
    returning v.object_id, v.sealed_length as bytes`
}
