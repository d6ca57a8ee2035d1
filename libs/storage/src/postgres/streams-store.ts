import type { LogState } from '@agentfs/audit'
import { arrayLiteral } from './array-literal.js'
import { type Statement, statement } from './statement.js'
import type { TenantTransaction } from './transaction.js'

/** What a stream is of. */
export type StreamKind = 'agent' | 'reads' | 'tenant'

/** A stream's row as a committer needs it: address, key and Merkle state. */
export interface StreamRow {
  readonly streamId: string
  readonly kind: StreamKind
  readonly agentId: string | null
  readonly keyId: string
  readonly epoch: number
  readonly headSeq: number
  readonly merkleSize: number
  readonly merkleRange: Uint8Array
  readonly grantsVersion: number
}

/** Opens a stream at epoch 0, empty. */
export async function insertStream(
  tx: TenantTransaction,
  stream: Pick<StreamRow, 'streamId' | 'kind' | 'agentId' | 'keyId'>,
): Promise<void> {
  await tx.query`
    insert into streams (tenant_id, stream_id, kind, agent_id, key_id)
    values (${tx.tenantId}, ${stream.streamId}, ${stream.kind}, ${stream.agentId}, ${stream.keyId})`
}

/** Takes the stream's row for this transaction: the lock under which seq is assigned. Lock agents' streams before others. */
export async function lockStream(tx: TenantTransaction, streamId: string): Promise<StreamRow | undefined> {
  const [row] = await tx.query<StreamRow>`
    select stream_id, kind, agent_id, key_id, epoch, head_seq, merkle_size, merkle_range, grants_version
    from streams where tenant_id = ${tx.tenantId} and stream_id = ${streamId} for update`
  return row
}

/** Takes the row of the stream of an agent's reads. */
export async function lockReadsStream(
  tx: TenantTransaction,
  agentId: string,
): Promise<StreamRow | undefined> {
  const [row] = await tx.query<StreamRow>`
    select stream_id, kind, agent_id, key_id, epoch, head_seq, merkle_size, merkle_range, grants_version
    from streams where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and kind = 'reads' for update`
  return row
}

/** An agent with its stream, both rows locked for this transaction. */
export interface LockedAgent extends StreamRow {
  readonly agentId: string
  readonly name: string
  readonly rootId: string
}

/**
 * Takes an agent's row and its stream's, in the order that everyone keeps [SY-16]: the lock of every commit. Undefined where
 * the agent is gone.
 */
export async function lockAgent(tx: TenantTransaction, agentId: string): Promise<LockedAgent | undefined> {
  const [row] = await tx.query<LockedAgent & { readonly deletedAt: Date | null }>`
    select a.agent_id, a.name, a.root_id, a.deleted_at, s.stream_id, s.kind, s.key_id, s.epoch, s.head_seq, s.merkle_size,
      s.merkle_range, s.grants_version
    from agents a join streams s on s.tenant_id = a.tenant_id and s.stream_id = a.agent_id
    where a.tenant_id = ${tx.tenantId} and a.agent_id = ${agentId} and s.tenant_id = ${tx.tenantId}
    for no key update of a, s`
  // Asked for in the query, it would be found by the index of living agents' names, which reads all of the tenant's.
  return row?.deletedAt === null ? row : undefined
}

/** A stream's row, unlocked. */
export async function findStream(tx: TenantTransaction, streamId: string): Promise<StreamRow | undefined> {
  const [row] = await tx.query<StreamRow>`
    select stream_id, kind, agent_id, key_id, epoch, head_seq, merkle_size, merkle_range, grants_version
    from streams where tenant_id = ${tx.tenantId} and stream_id = ${streamId}`
  return row
}

/** Moves the head of a locked stream on; `stagedBytes` more wait for the packer. */
export function streamAdvanced(
  tenantId: string,
  streamId: string,
  head: { readonly seq: number; readonly log: LogState; readonly stagedBytes: number; readonly at: Date },
): Statement {
  return statement`
    update streams set head_seq = ${head.seq}, merkle_size = ${head.log.size}, merkle_range = ${head.log.range},
      staged_bytes = staged_bytes + ${head.stagedBytes}, staged_since = coalesce(staged_since, ${head.at}),
      checkpoint_since = coalesce(checkpoint_since, ${head.at}), head_at = ${head.at}
    where tenant_id = ${tenantId} and stream_id = ${streamId}`
}

/** Gives a locked stream a new epoch; its head follows. */
export function epochOpened(tenantId: string, streamId: string, epoch: number): Statement {
  return statement`update streams set epoch = ${epoch} where tenant_id = ${tenantId} and stream_id = ${streamId}`
}

/** Counts bytes staged outside a commit: parts that no push has named yet. */
export function addStagedBytes(tx: TenantTransaction, streamId: string, bytes: number): Promise<unknown> {
  return tx.query`
    update streams set staged_bytes = staged_bytes + ${bytes}
    where tenant_id = ${tx.tenantId} and stream_id = ${streamId}`
}

/** Sealed bytes of the tenant that wait in Postgres. */
export async function stagedBytesOfTenant(tx: TenantTransaction): Promise<number> {
  const [row] = await tx.query<{ bytes: number }>`
    select coalesce(sum(staged_bytes), 0)::bigint as bytes from streams
    where tenant_id = ${tx.tenantId} and staged_bytes > 0`
  return row?.bytes ?? 0
}

/** Where an agent's stream stands. Two heads that are the same in all of it have the same tree below them. */
export interface AgentHead {
  readonly agentId: string
  readonly epoch: number
  readonly headSeq: number
  /** When the last commit was made: tells one history from another that a restored backup went on with. */
  readonly headAt: Date | null
  /** How far it is in the object store. */
  readonly stored: { readonly epoch: number; readonly seq: number }
}

/** The heads of some agents' streams; those gone are left out. */
export async function findAgentHeads(
  tx: TenantTransaction,
  agentIds: readonly string[],
): Promise<AgentHead[]> {
  const rows = await tx.query<Omit<AgentHead, 'stored'> & { storedEpoch: number; storedSeq: number }>`
    select w.id as agent_id, s.epoch, s.head_seq, s.head_at, coalesce(f.epoch, 0) as stored_epoch,
      coalesce(f.seq, 0) as stored_seq
    from unnest(${arrayLiteral(agentIds)}::uuid[]) as w(id)
    cross join lateral (
      select epoch, head_seq, head_at from streams where tenant_id = ${tx.tenantId} and stream_id = w.id offset 0) s
    left join lateral (
      select epoch, seq from followers where tenant_id = ${tx.tenantId} and stream_id = w.id and follower = 'packer' offset 0) f
      on true`
  return rows.map(({ storedEpoch, storedSeq, ...head }) => ({
    ...head,
    stored: { epoch: storedEpoch, seq: storedSeq },
  }))
}

/** How far a stream is in the object store: the packer's cursor. */
export async function storedThrough(
  tx: TenantTransaction,
  streamId: string,
): Promise<{ readonly epoch: number; readonly seq: number }> {
  const [row] = await tx.query<{ epoch: number; seq: number }>`
    select epoch, seq from followers
    where tenant_id = ${tx.tenantId} and stream_id = ${streamId} and follower = 'packer'`
  return row ?? { epoch: 0, seq: 0 }
}
