import { arrayLiteral } from './array-literal.js'
import type { TenantTransaction } from './transaction.js'

/** A checkpoint: the signed note, and what the next one must name. */
export interface CheckpointRow {
  readonly number: number
  readonly at: Date
  readonly note: string
  /** Hex SHA-256 of the note's text. */
  readonly hash: string
}

/** A stream that grew since the last checkpoint. */
export interface GrownStream {
  readonly streamId: string
  readonly epoch: number
  readonly merkleSize: number
  readonly merkleRange: Uint8Array
}

/** Takes the tenant's row, so that one process at a time makes its checkpoints; gives its signing key's id, if it has one. */
export async function lockCheckpoints(
  tx: TenantTransaction,
): Promise<{ readonly auditKeyId: string | null } | undefined> {
  // Not the whole row: new agents refer to it meanwhile.
  const [row] = await tx.query<{ auditKeyId: string | null }>`
    select audit_key_id from tenants where tenant_id = ${tx.tenantId} for no key update`
  return row
}

/** Says which key signs the tenant's checkpoints. */
export function setAuditKey(tx: TenantTransaction, keyId: string): Promise<unknown> {
  return tx.query`update tenants set audit_key_id = ${keyId} where tenant_id = ${tx.tenantId}`
}

/** The key that signs the tenant's checkpoints, if there is one yet. */
export async function findAuditKeyId(tx: TenantTransaction): Promise<string | null> {
  const [row] = await tx.query<{ auditKeyId: string | null }>`
    select audit_key_id from tenants where tenant_id = ${tx.tenantId}`
  return row?.auditKeyId ?? null
}

/** Streams that grew, by id. */
export function grownStreams(tx: TenantTransaction, limit: number): Promise<GrownStream[]> {
  return tx.query<GrownStream>`
    select stream_id, epoch, merkle_size, merkle_range from streams
    where tenant_id = ${tx.tenantId} and checkpoint_since is not null order by checkpoint_since limit ${limit}`
}

/** The newest checkpoint of the tenant. */
export async function lastCheckpoint(tx: TenantTransaction): Promise<CheckpointRow | undefined> {
  const [row] = await tx.query<CheckpointRow>`
    select number, at, note, hash from audit_checkpoints where tenant_id = ${tx.tenantId} order by number desc limit 1`
  return row
}

/** Adds a checkpoint, not in the object store yet. */
export function insertCheckpoint(tx: TenantTransaction, row: CheckpointRow): Promise<unknown> {
  return tx.query`
    insert into audit_checkpoints (tenant_id, number, at, note, hash)
    values (${tx.tenantId}, ${row.number}, ${row.at}, ${row.note}, ${row.hash})`
}

/**
 * Notes that streams are checkpointed, but for those that grew again since. A stream that a commit holds now is passed
 * over, and comes again with the next checkpoint: nobody waits here while holding other streams.
 */
export function settleCheckpointed(tx: TenantTransaction, streams: readonly GrownStream[]): Promise<unknown> {
  return tx.query`
    update streams s set checkpoint_since = null
    from (
      select f.stream_id from streams f
      join unnest(${arrayLiteral(streams.map(({ streamId }) => streamId))}::uuid[],
        ${arrayLiteral(streams.map(({ epoch }) => epoch))}::integer[],
        ${arrayLiteral(streams.map(({ merkleSize }) => merkleSize))}::bigint[]) as g (stream_id, epoch, size)
        on f.stream_id = g.stream_id and f.epoch = g.epoch and f.merkle_size = g.size
      where f.tenant_id = ${tx.tenantId} for update of f skip locked) as settled
    where s.tenant_id = ${tx.tenantId} and s.stream_id = settled.stream_id`
}

/** Checkpoints that the object store has not, oldest first. */
export function unstoredCheckpoints(tx: TenantTransaction, limit: number): Promise<CheckpointRow[]> {
  return tx.query<CheckpointRow>`
    select number, at, note, hash from audit_checkpoints
    where tenant_id = ${tx.tenantId} and stored_at is null order by number limit ${limit}`
}

/** Notes that the object store has a checkpoint. */
export function markCheckpointStored(tx: TenantTransaction, number: number, at: Date): Promise<unknown> {
  return tx.query`
    update audit_checkpoints set stored_at = ${at} where tenant_id = ${tx.tenantId} and number = ${number}`
}

/** Checkpoints below a number, newest first. */
export function listCheckpoints(
  tx: TenantTransaction,
  below: number,
  limit: number,
): Promise<CheckpointRow[]> {
  return tx.query<CheckpointRow>`
    select number, at, note, hash from audit_checkpoints
    where tenant_id = ${tx.tenantId} and number < ${below} order by number desc limit ${limit}`
}

/** Checkpoints above a number, oldest first. */
export function checkpointsAfter(
  tx: TenantTransaction,
  above: number,
  limit: number,
): Promise<CheckpointRow[]> {
  return tx.query<CheckpointRow>`
    select number, at, note, hash from audit_checkpoints
    where tenant_id = ${tx.tenantId} and number > ${above} order by number limit ${limit}`
}

/** A log of the tenant: one epoch of a stream. */
export interface LogOfTenant {
  readonly streamId: string
  readonly epoch: number
}

/** The logs of the tenant, or (agent given) of one agent, from the oldest epoch on. */
export function listLogs(tx: TenantTransaction, agentId: string | null): Promise<LogOfTenant[]> {
  return tx.query<LogOfTenant>`
    select s.stream_id, e.epoch from streams s
    cross join lateral generate_series(0, s.epoch) as e (epoch)
    where s.tenant_id = ${tx.tenantId} and (${agentId}::uuid is null or s.agent_id = ${agentId}::uuid)
    order by s.stream_id, e.epoch`
}

/** Puts checkpoints back that the object store has. */
export function restoreCheckpoints(
  tx: TenantTransaction,
  rows: readonly CheckpointRow[],
  storedAt: Date,
): Promise<unknown> {
  return tx.query`
    insert into audit_checkpoints (tenant_id, number, at, note, hash, stored_at)
    select ${tx.tenantId}::uuid, c.*, ${storedAt}::timestamptz from unnest(
      ${arrayLiteral(rows.map(({ number }) => number))}::bigint[], ${arrayLiteral(rows.map(({ at }) => at))}::timestamptz[],
      ${arrayLiteral(rows.map(({ note }) => note))}::text[], ${arrayLiteral(rows.map(({ hash }) => hash))}::text[]) as c
    on conflict (tenant_id, number) do nothing`
}

/** A log that a checkpoint was made of. */
export interface CheckpointedLog {
  readonly stream: string
  readonly epoch: number
  /** When the checkpoint was made. */
  readonly at: Date
}

/** What a recovery has rebuilt of a log. */
export interface RebuiltLog {
  readonly stream: string
  readonly epoch: number
  /** Whose log it is; null where no row knows the stream. */
  readonly kind: 'agent' | 'reads' | 'tenant' | null
  readonly agentId: string | null
  readonly agentName: string | null
  /** Records that are there. */
  readonly size: number
  /** True where an earlier recovery, after the checkpoint was made, ended the log here and began the next epoch. */
  readonly ended: boolean
}

/** What there is of some logs. An epoch that the recovery under way has begun ends no log here: that one is still to report. */
export function rebuiltLogs(tx: TenantTransaction, logs: readonly CheckpointedLog[]): Promise<RebuiltLog[]> {
  return tx.query<RebuiltLog>`
    select l.stream, l.epoch, s.kind, s.agent_id, a.name as agent_name,
      coalesce((select max(r.leaf_index) + 1 from records r
        where r.tenant_id = ${tx.tenantId} and r.stream_id = l.stream and r.epoch = l.epoch), 0)::bigint as size,
      exists (select 1 from records r
        where r.tenant_id = ${tx.tenantId} and r.stream_id = l.stream and r.epoch > l.epoch and r.leaf_index = 0
          and r.at >= l.at and (r.epoch < s.epoch or c.stream_id is null)) as ended
    from unnest(${arrayLiteral(logs.map(({ stream }) => stream))}::uuid[],
      ${arrayLiteral(logs.map(({ epoch }) => epoch))}::integer[],
      ${arrayLiteral(logs.map(({ at }) => at))}::timestamptz[]) as l (stream, epoch, at)
    left join streams s on s.tenant_id = ${tx.tenantId} and s.stream_id = l.stream
    left join agents a on a.tenant_id = ${tx.tenantId} and a.agent_id = s.agent_id
    left join recoveries c on c.tenant_id = ${tx.tenantId} and c.stream_id = l.stream and c.step in ('forked', 'done')`
}
