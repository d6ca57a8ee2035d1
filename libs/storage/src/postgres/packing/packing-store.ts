import type { TenantScope } from '@agentfs/access'
import { arrayLiteral } from '../array-literal.js'
import type { Database } from '../database.js'
import type {
  PackableStream,
  StagedCommit,
  StagedManifest,
  StagedPart,
  StagedRange,
  StagedRecord,
  StagedStream,
  StreamPosition,
} from './packing-rows.js'
import { PACKER } from './packer-name.js'
import type { TenantTransaction } from '../transaction.js'

/** Reads what waits in a stream; writes nothing but the packer's cursor row. */
export class PackingStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** The stream with the packer's cursor; undefined where the stream is gone. */
  async stream(scope: TenantScope, streamId: string): Promise<PackableStream | undefined> {
    return this.#database.readTenant(scope, (tx) => readPackableStream(tx, streamId))
  }

  /**
   * The stream with the packer's cursor, and the next commits after that, oldest first, at most `limit`: one round trip.
   * Undefined where the stream is gone.
   */
  async staged(scope: TenantScope, streamId: string, limit: number): Promise<StagedStream | undefined> {
    const [stream, commits] = await this.#database.readTenant(scope, (tx) =>
      Promise.all([readPackableStream(tx, streamId), readStagedCommits(tx, streamId, limit)]),
    )
    return stream === undefined ? undefined : { stream, commits }
  }

  /** The sealed bytes of the commits `first` to `last` of one epoch. */
  async stagedRange(
    scope: TenantScope,
    stream: PackableStream,
    epoch: number,
    first: number,
    last: number,
  ): Promise<StagedRange> {
    return this.#database.readTenant(scope, async (tx) => {
      const { tenantId } = tx
      const { agentId } = treeOf(stream)
      const [records, manifests, parts] = await Promise.all([
        tx.query<StagedRecord>`
          select seq, record_id, sealed from records
          where tenant_id = ${tenantId} and stream_id = ${stream.streamId} and epoch = ${epoch}
            and seq between ${first} and ${last} and sealed is not null order by seq`,
        tx.query<StagedManifest>`
          select seq, version_id, node_id, key_id, part_ids, sealed from versions
          where tenant_id = ${tenantId} and agent_id = ${agentId} and epoch = ${epoch}
            and seq between ${first} and ${last} and sealed is not null order by seq, version_id`,
        tx.query<StagedPart>`
          select seq, part_id, key_id, sealed from parts
          where tenant_id = ${tenantId} and agent_id = ${agentId} and epoch = ${epoch}
            and seq between ${first} and ${last} and sealed is not null order by seq, part_id`,
      ])
      return { records, manifests, parts }
    })
  }

  /** Calls a stream without commits after the cursor what it is: nothing is staged, and every flush is done. */
  async settle(scope: TenantScope, streamId: string): Promise<void> {
    await this.#database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      await tx.query`select from streams where tenant_id = ${tenantId} and stream_id = ${streamId} for update`
      await tx.query`
        update streams s set staged_since = null, flush_requested_at = null
        where tenant_id = ${tenantId} and stream_id = ${streamId} and not exists (
          select from records r
          left join followers f on f.tenant_id = r.tenant_id and f.stream_id = r.stream_id and f.follower = ${PACKER}
          where r.tenant_id = ${tenantId} and r.stream_id = ${streamId}
            and (r.epoch, r.seq) > (coalesce(f.epoch, 0), coalesce(f.seq, 0)))`
    })
  }

  /** Streams in which anything waits, oldest first: an agent's own, or (agent null) all of the tenant. */
  async stagedStreams(scope: TenantScope, agentId: string | null): Promise<string[]> {
    const rows = await this.#database.withTenant(
      scope,
      (tx) => tx.query<{ streamId: string }>`
        select stream_id from streams
        where tenant_id = ${tx.tenantId} and staged_since is not null
          and (${agentId}::uuid is null or agent_id = ${agentId}::uuid)
        order by staged_since`,
    )
    return rows.map(({ streamId }) => streamId)
  }

  /** Asks that streams be stored as soon as may be; the sweeper finds the request even if every hint is lost. */
  async requestFlush(scope: TenantScope, streamIds: readonly string[]): Promise<void> {
    await this.#database.withTenant(scope, async (tx) => {
      await tx.query`update streams set flush_requested_at = clock_timestamp()
        where tenant_id = ${tx.tenantId} and stream_id = any (${arrayLiteral(streamIds)}::uuid[]) and staged_since is not null`
    })
  }
}

/** The commits after the packer's cursor. Of an agent's own stream they have manifests and parts; of others only records. */
function readStagedCommits(tx: TenantTransaction, streamId: string, limit: number): Promise<StagedCommit[]> {
  const { tenantId } = tx
  return tx.query<StagedCommit>`
    select r.epoch, r.seq, r.sealed_length
      + coalesce((select sum(v.sealed_length) from versions v where s.kind = 'agent' and v.tenant_id = ${tenantId}
          and v.agent_id = s.agent_id and v.seq = r.seq and v.epoch = r.epoch and v.sealed is not null), 0)::bigint
      + coalesce((select sum(p.sealed_length) from parts p where s.kind = 'agent' and p.tenant_id = ${tenantId}
          and p.agent_id = s.agent_id and p.seq = r.seq and p.epoch = r.epoch and p.sealed is not null), 0)::bigint as bytes
    from streams s
    left join followers f on f.tenant_id = ${tenantId} and f.stream_id = s.stream_id and f.follower = ${PACKER}
    cross join lateral (
      select epoch, seq, sealed_length from records
      where tenant_id = ${tenantId} and stream_id = s.stream_id
        and (epoch, seq) > (coalesce(f.epoch, 0), coalesce(f.seq, 0))
      order by epoch, seq limit ${limit}) r
    where s.tenant_id = ${tenantId} and s.stream_id = ${streamId}
    order by r.epoch, r.seq`
}

/** Reads a stream with the packer's cursor, which it makes where it is missing. */
export async function readPackableStream(
  tx: TenantTransaction,
  streamId: string,
): Promise<PackableStream | undefined> {
  const { tenantId } = tx
  const [row] = await tx.query<PackableStreamRow>`
    select s.kind, s.agent_id, s.key_id, s.epoch as head_epoch, s.head_seq, s.staged_bytes, s.staged_since,
      s.flush_requested_at::text as flush_requested_at, coalesce(f.epoch, 0) as cursor_epoch, coalesce(f.seq, 0) as cursor_seq
    from streams s left join followers f
      on f.tenant_id = s.tenant_id and f.stream_id = s.stream_id and f.follower = ${PACKER}
    where s.tenant_id = ${tenantId} and s.stream_id = ${streamId}`
  if (row === undefined) return undefined
  const cursor: StreamPosition = { epoch: row.cursorEpoch, seq: row.cursorSeq }
  return {
    streamId,
    kind: row.kind,
    agentId: row.agentId,
    keyId: row.keyId,
    head: { epoch: row.headEpoch, seq: row.headSeq },
    cursor,
    stagedBytes: row.stagedBytes,
    stagedSince: row.stagedSince,
    flushRequestedAt: row.flushRequestedAt,
  }
}

/** The agent whose versions and parts a stream's commits made; only an agent's own stream made any. */
export function treeOf(stream: Pick<PackableStream, 'kind' | 'agentId'>): {
  readonly agentId: string | null
} {
  return { agentId: stream.kind === 'agent' ? stream.agentId : null }
}

interface PackableStreamRow {
  readonly kind: PackableStream['kind']
  readonly agentId: string | null
  readonly keyId: string
  readonly headEpoch: number
  readonly headSeq: number
  readonly cursorEpoch: number
  readonly cursorSeq: number
  readonly stagedBytes: number
  readonly stagedSince: Date | null
  readonly flushRequestedAt: string | null
}
