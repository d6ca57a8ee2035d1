import type { TenantTransaction } from '../transaction.js'
import type { Database } from '../database.js'

/** A place in a stream. */
interface Position {
  readonly epoch: number
  readonly seq: number
}

/** The open mirror of an agent, with its cursor and the head of the agent's stream. */
export interface MirrorRow {
  readonly agentId: string
  readonly state: 'on' | 'removing' | 'off'
  readonly target: string
  /** Set while the whole tree is written: the head to follow from then. */
  readonly fillEpoch: number | null
  readonly fillSeq: number | null
  readonly fillAfter: string | null
  readonly changedAt: Date
  /** Up to here the mirror shows the stream; epoch -1 asks for the whole tree, or for nothing. */
  readonly cursorEpoch: number
  readonly cursorSeq: number
  readonly headEpoch: number
  readonly headSeq: number
  readonly agentDeleted: boolean
}

/** An agent whose mirror is behind. */
export interface DueMirror {
  readonly tenantId: string
  readonly agentId: string
}

/** The mirror of an agent; undefined where it never had one. */
export async function findMirror(tx: TenantTransaction, agentId: string): Promise<MirrorRow | undefined> {
  const [row] = await tx.query<MirrorRow>`
    select m.agent_id, m.state, m.target, m.fill_epoch, m.fill_seq, m.fill_after, m.changed_at,
      coalesce(f.epoch, -1) as cursor_epoch, coalesce(f.seq, 0) as cursor_seq, s.epoch as head_epoch, s.head_seq,
      a.deleted_at is not null as agent_deleted
    from mirrors m
    join agents a on a.tenant_id = m.tenant_id and a.agent_id = m.agent_id
    join streams s on s.tenant_id = m.tenant_id and s.stream_id = m.agent_id
    left join followers f on f.tenant_id = m.tenant_id and f.stream_id = m.agent_id and f.follower = 'mirror'
    where m.tenant_id = ${tx.tenantId} and m.agent_id = ${agentId}`
  return row
}

/**
 * Switches a mirror on, to write the whole tree first, or off. A worker that has the claim may write no more, for it claimed
 * what was before; the next one waits until it has let go, or its time is over, and so until nothing of it is on its way.
 */
export async function setMirror(
  tx: TenantTransaction,
  agentId: string,
  mirror: { readonly state: MirrorRow['state']; readonly target: string },
  at: Date,
): Promise<void> {
  const { tenantId } = tx
  const { state, target } = mirror
  await tx.query`
    insert into mirrors (tenant_id, agent_id, state, target, changed_at)
    values (${tenantId}, ${agentId}, ${state}, ${target}, ${at})
    on conflict (tenant_id, agent_id) do update set state = excluded.state, target = excluded.target,
      changed_at = greatest(excluded.changed_at, mirrors.changed_at + interval '1 millisecond'),
      fill_epoch = null, fill_seq = null, fill_after = null`
  if (state === 'off') await deleteMirrorCursor(tx, agentId)
  else await setMirrorCursor(tx, agentId, { epoch: -1, seq: 0 }, at)
}

/** Where an agent with a mirror is deleted: its documents go too. */
export async function removeMirrorOfAgent(tx: TenantTransaction, agentId: string, at: Date): Promise<void> {
  const rows = await tx.query`
    update mirrors set state = 'removing', changed_at = greatest(${at}::timestamptz, changed_at + interval '1 millisecond')
    where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and state <> 'off' returning agent_id`
  if (rows.length > 0) await setMirrorCursor(tx, agentId, { epoch: -1, seq: 0 }, at)
}

/** What is written of all documents is forgotten: each is written anew. */
export async function distrustMirrorDocuments(tx: TenantTransaction, agentId: string): Promise<void> {
  await tx.query`
    update mirror_documents set written_at = null where tenant_id = ${tx.tenantId} and agent_id = ${agentId}`
}

/** Takes or renews the claim to write; false where another worker has it. */
export async function claimMirror(
  tx: TenantTransaction,
  agentId: string,
  claim: { readonly by: string; readonly at: Date; readonly until: Date },
): Promise<boolean> {
  const rows = await tx.query`
    update mirrors set claimed_by = ${claim.by}, claimed_until = ${claim.until}
    where tenant_id = ${tx.tenantId} and agent_id = ${agentId}
      and (claimed_by is null or claimed_by = ${claim.by} or claimed_until < ${claim.at}) returning agent_id`
  return rows.length > 0
}

/** Renews a claim that is still held; false where it was lost, or the mirror was switched meanwhile. */
export async function renewMirrorClaim(
  tx: TenantTransaction,
  agentId: string,
  claim: { readonly by: string; readonly changedAt: Date; readonly until: Date },
): Promise<boolean> {
  const rows = await tx.query`
    update mirrors set claimed_until = ${claim.until}
    where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and claimed_by = ${claim.by}
      and changed_at = ${claim.changedAt} returning agent_id`
  return rows.length > 0
}

/** Lets go of the claim. */
export async function releaseMirror(tx: TenantTransaction, agentId: string, by: string): Promise<void> {
  await tx.query`
    update mirrors set claimed_by = null where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and claimed_by = ${by}`
}

/** Notes how far the writing of the whole tree is. */
export async function noteMirrorFill(
  tx: TenantTransaction,
  agentId: string,
  fill: { readonly epoch: number; readonly seq: number; readonly after: string | null } | null,
): Promise<void> {
  await tx.query`
    update mirrors set fill_epoch = ${fill?.epoch ?? null}, fill_seq = ${fill?.seq ?? null}, fill_after = ${fill?.after ?? null}
    where tenant_id = ${tx.tenantId} and agent_id = ${agentId}`
}

/** Moves the cursor. */
export async function setMirrorCursor(
  tx: TenantTransaction,
  agentId: string,
  through: Position,
  at: Date,
): Promise<void> {
  await tx.query`
    insert into followers (tenant_id, stream_id, follower, epoch, seq, updated_at)
    values (${tx.tenantId}, ${agentId}, 'mirror', ${through.epoch}, ${through.seq}, ${at})
    on conflict (tenant_id, stream_id, follower) do update set epoch = excluded.epoch, seq = excluded.seq,
      updated_at = excluded.updated_at`
}

/** Nothing follows the stream any more; the mirror is off. */
export async function endMirror(tx: TenantTransaction, agentId: string): Promise<void> {
  await tx.query`
    update mirrors set state = 'off', claimed_by = null where tenant_id = ${tx.tenantId} and agent_id = ${agentId}`
  await deleteMirrorCursor(tx, agentId)
}

async function deleteMirrorCursor(tx: TenantTransaction, agentId: string): Promise<void> {
  await tx.query`
    delete from followers where tenant_id = ${tx.tenantId} and stream_id = ${agentId} and follower = 'mirror'`
}

/** When the oldest commit was made that the mirror does not show; null where it shows all, or knows no commit. */
export async function oldestUnmirrored(tx: TenantTransaction, mirror: MirrorRow): Promise<Date | null> {
  if (mirror.cursorEpoch === -1) return mirror.changedAt
  const [row] = await tx.query<{ at: Date }>`
    select at from records where tenant_id = ${tx.tenantId} and stream_id = ${mirror.agentId}
      and (epoch, seq) > (${mirror.cursorEpoch}::integer, ${mirror.cursorSeq}::bigint)
    order by epoch, seq limit 1`
  return row?.at ?? null
}

/** Agents of all tenants whose mirror is behind, by the role that sees heads and cursors and nothing else. */
export async function dueMirrorsAcrossTenants(database: Database, limit: number): Promise<DueMirror[]> {
  return database.acrossTenantsHeads(
    (tx) => tx.query<DueMirror>`
    select f.tenant_id, f.stream_id as agent_id from followers f
    join streams s on s.tenant_id = f.tenant_id and s.stream_id = f.stream_id
    where f.follower = 'mirror' and (f.epoch <> s.epoch or f.seq <> s.head_seq)
    order by f.updated_at limit ${limit}`,
  )
}
