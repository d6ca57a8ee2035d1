import type { TenantScope } from '@agentfs/access'
import { arrayLiteral } from '../array-literal.js'
import type { Database } from '../database.js'
import { isTenantErased } from '../tenant-tombstone.js'
import type { TenantTransaction } from '../transaction.js'
import type {
  CheckedObject,
  CheckedPart,
  CheckedRecord,
  CheckedRows,
  CheckedVersion,
  RowProblem,
} from './check-rows.js'

/** A place in the log of a stream. */
export interface LoggedLeaf {
  readonly epoch: number
  readonly seq: number
  readonly leafIndex: number
  readonly leaf: Uint8Array
}

/** A stream with its log and how far it is stored. */
export interface CheckedStream {
  readonly streamId: string
  readonly agentId: string | null
  readonly epoch: number
  readonly headSeq: number
  readonly merkleSize: number
  readonly merkleRange: Uint8Array
  readonly storedEpoch: number
  readonly storedSeq: number
}

const PROBLEMS_MAX = 10_000

/** Reads rows for checks, page by page; changes nothing but when an object was last checked. */
export class CheckStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** Objects that are or may be in the store, by key in byte order, after `after`; of some streams only where told. */
  async objects(
    scope: TenantScope,
    after: string,
    limit: number,
    agentId: string | null,
  ): Promise<CheckedObject[]> {
    return this.#database.withTenant(
      scope,
      (tx) => tx.query<CheckedObject>`
        select object_id, stream_id, kind, object_key, state, size, live_bytes, checksum from objects
        where tenant_id = ${tx.tenantId} and object_key collate "C" > ${after} and (${agentId}::uuid is null or stream_id in (
          select stream_id from streams where tenant_id = ${tx.tenantId} and agent_id = ${agentId}::uuid))
        order by object_key collate "C" limit ${limit}`,
    )
  }

  /** An object by its key. */
  async object(scope: TenantScope, objectKey: string): Promise<CheckedObject | undefined> {
    const [row] = await this.#database.withTenant(
      scope,
      (tx) => tx.query<CheckedObject>`
        select object_id, stream_id, kind, object_key, state, size, live_bytes, checksum from objects
        where tenant_id = ${tx.tenantId} and object_key = ${objectKey}`,
    )
    return row
  }

  /** Live objects that were checked before `before` or never, the longest unchecked first. */
  async leastChecked(scope: TenantScope, before: Date, limit: number): Promise<CheckedObject[]> {
    return this.#database.withTenant(
      scope,
      (tx) => tx.query<CheckedObject>`
        select object_id, stream_id, kind, object_key, state, size, live_bytes, checksum from objects
        where tenant_id = ${tx.tenantId} and state = 'live' and (checked_at is null or checked_at < ${before})
        order by checked_at nulls first, object_id limit ${limit}`,
    )
  }

  /** Notes that an object was found whole. */
  async markChecked(scope: TenantScope, objectId: string, at: Date): Promise<void> {
    await this.#database.withTenant(
      scope,
      (tx) => tx.query`update objects set checked_at = ${at}
        where tenant_id = ${tx.tenantId} and object_id = ${objectId} and state = 'live'`,
    )
  }

  /** All that points into an object. */
  async rowsIn(scope: TenantScope, objectId: string): Promise<CheckedRows> {
    return this.#database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      const [parts, versions, records] = await Promise.all([
        tx.query<CheckedPart>`
          select part_id, agent_id, key_id, size, content_mac, null::bytea as sealed, sealed_length, object_offset
          from parts where tenant_id = ${tenantId} and object_id = ${objectId}`,
        tx.query<CheckedVersion>`
          select version_id, agent_id, node_id, key_id, number, parents, author, size, content_mac, epoch, seq, created_at,
            null::bytea as sealed, sealed_length, object_offset
          from versions where tenant_id = ${tenantId} and object_id = ${objectId}`,
        tx.query<CheckedRecord>`
          select r.record_id, r.block_id, r.stream_id, s.key_id, r.seq, r.leaf, null::bytea as sealed, r.sealed_length,
            r.object_offset
          from records r join streams s on s.tenant_id = r.tenant_id and s.stream_id = r.stream_id
          where r.tenant_id = ${tenantId} and r.object_id = ${objectId}`,
      ])
      return { parts, versions, records }
    })
  }

  /** What waits in Postgres, some at a time: parts, then versions, then records. */
  async *staged(scope: TenantScope, agentId: string | null, limit: number): AsyncGenerator<CheckedRows> {
    const page = <T>(
      read: (tx: TenantTransaction, after: string) => Promise<T[]>,
      idOf: (row: T) => string,
    ) => this.#pages(scope, read, idOf, limit)
    const parts = page<CheckedPart>(
      (tx, after) => tx.query`
        select part_id, agent_id, key_id, size, content_mac, sealed, sealed_length, object_offset from parts
        where tenant_id = ${tx.tenantId} and sealed is not null and part_id > ${after}
          and (${agentId}::uuid is null or agent_id = ${agentId}::uuid) order by part_id limit ${limit}`,
      ({ partId }) => partId,
    )
    for await (const rows of parts) yield { parts: rows, versions: [], records: [] }
    const versions = page<CheckedVersion>(
      (tx, after) => tx.query`
        select version_id, agent_id, node_id, key_id, number, parents, author, size, content_mac, epoch, seq, created_at,
          sealed, sealed_length, object_offset from versions
        where tenant_id = ${tx.tenantId} and sealed is not null and version_id > ${after}
          and (${agentId}::uuid is null or agent_id = ${agentId}::uuid) order by version_id limit ${limit}`,
      ({ versionId }) => versionId,
    )
    for await (const rows of versions) yield { parts: [], versions: rows, records: [] }
    const records = page<CheckedRecord>(
      (tx, after) => tx.query`
        select r.record_id, r.block_id, r.stream_id, s.key_id, r.seq, r.leaf, r.sealed, r.sealed_length, r.object_offset
        from records r join streams s on s.tenant_id = r.tenant_id and s.stream_id = r.stream_id
        where r.tenant_id = ${tx.tenantId} and r.sealed is not null and r.record_id > ${after}
          and (${agentId}::uuid is null or s.agent_id = ${agentId}::uuid) order by r.record_id limit ${limit}`,
      ({ recordId }) => recordId,
    )
    for await (const rows of records) yield { parts: [], versions: [], records: rows }
  }

  /** The streams of a tenant, or of one agent. */
  async streams(scope: TenantScope, agentId: string | null): Promise<CheckedStream[]> {
    return this.#database.withTenant(
      scope,
      (tx) => tx.query<CheckedStream>`
        select s.stream_id, s.agent_id, s.epoch, s.head_seq, s.merkle_size, s.merkle_range,
          coalesce(f.epoch, 0) as stored_epoch, coalesce(f.seq, 0) as stored_seq
        from streams s left join followers f
          on f.tenant_id = s.tenant_id and f.stream_id = s.stream_id and f.follower = 'packer'
        where s.tenant_id = ${tx.tenantId} and (${agentId}::uuid is null or s.agent_id = ${agentId}::uuid)
        order by s.stream_id`,
    )
  }

  /** A stream's row and its leaves after a seq, of one moment. */
  async leaves(
    scope: TenantScope,
    streamId: string,
    after: { readonly epoch: number; readonly seq: number },
    limit: number,
  ): Promise<LoggedLeaf[]> {
    return this.#database.withTenant(
      scope,
      (tx) => tx.query<LoggedLeaf>`
        select epoch, seq, leaf_index, leaf from records
        where tenant_id = ${tx.tenantId} and stream_id = ${streamId} and (epoch, seq) > (${after.epoch}, ${after.seq})
        order by epoch, seq limit ${limit}`,
    )
  }

  /** Ids of keys, ascending, that seal something in the object store and are not erased. */
  async storedKeys(scope: TenantScope, after: string, limit: number): Promise<string[]> {
    const rows = await this.#database.withTenant(
      scope,
      (tx) => tx.query<{ keyId: string }>`
        select k.key_id from content_keys k
        where k.tenant_id = ${tx.tenantId} and k.wrapped <> '' and k.key_id > ${after}
          and (exists (select from parts p where p.tenant_id = k.tenant_id and p.agent_id = k.agent_id
              and p.key_id = k.key_id and p.object_id is not null and p.seq is not null)
            or exists (select from versions v where v.tenant_id = k.tenant_id and v.agent_id = k.agent_id
              and v.key_id = k.key_id and v.object_id is not null)
            or exists (select from streams s join records r on r.tenant_id = s.tenant_id and r.stream_id = s.stream_id
              where s.tenant_id = k.tenant_id and s.key_id = k.key_id and r.object_id is not null))
        order by k.key_id limit ${limit}`,
    )
    return rows.map(({ keyId }) => keyId)
  }

  /** Those of some keys that were erased. */
  async erased(scope: TenantScope, keyIds: readonly string[]): Promise<Set<string>> {
    const ids = arrayLiteral(keyIds)
    const rows = await this.#database.withTenant(
      scope,
      (tx) => tx.query<{ keyId: string }>`
        select key_id from tombstones where tenant_id = ${tx.tenantId} and key_id = any (${ids}::uuid[])
        union select key_id from content_keys
          where tenant_id = ${tx.tenantId} and key_id = any (${ids}::uuid[]) and wrapped = ''`,
    )
    return new Set(rows.map(({ keyId }) => keyId))
  }

  /** Checkpoints of the log that the object store has, after one. */
  async storedCheckpoints(
    scope: TenantScope,
    after: number,
    limit: number,
  ): Promise<{ readonly number: number; readonly note: string }[]> {
    return this.#database.withTenant(
      scope,
      (tx) => tx.query<{ number: number; note: string }>`
        select number, note from audit_checkpoints
        where tenant_id = ${tx.tenantId} and number > ${after} and stored_at is not null order by number limit ${limit}`,
    )
  }

  /** Whether the tenant itself was erased. */
  async isErased(scope: TenantScope): Promise<boolean> {
    return this.#database.readTenant(scope, (tx) => isTenantErased(tx))
  }

  /** Rows that contradict one another: what points at objects that are not there, heads without a version, parts that are gone. */
  async problems(scope: TenantScope, agentId: string | null): Promise<RowProblem[]> {
    return this.#database.withTenant(
      scope,
      (tx) => tx.query<RowProblem>`
        with mine as (select object_id from objects where tenant_id = ${tx.tenantId} and state = 'live')
        select 'a version points at an object that is not live' as what, version_id as id, agent_id from versions v
        where tenant_id = ${tx.tenantId} and object_id is not null and (${agentId}::uuid is null or agent_id = ${agentId}::uuid)
          and not exists (select from mine where mine.object_id = v.object_id)
        union all
        select 'a part points at an object that is not live', part_id, agent_id from parts p
        where tenant_id = ${tx.tenantId} and object_id is not null and seq is not null
          and (${agentId}::uuid is null or agent_id = ${agentId}::uuid)
          and not exists (select from mine where mine.object_id = p.object_id)
        union all
        select 'a record points at an object that is not live', r.record_id, s.agent_id from records r
        join streams s on s.tenant_id = r.tenant_id and s.stream_id = r.stream_id
        where r.tenant_id = ${tx.tenantId} and r.object_id is not null and (${agentId}::uuid is null or s.agent_id = ${agentId}::uuid)
          and not exists (select from mine where mine.object_id = r.object_id)
        union all
        select 'a version has its bytes nowhere', version_id, agent_id from versions
        where tenant_id = ${tx.tenantId} and object_id is null and sealed is null and prefix_of is null
          and (${agentId}::uuid is null or agent_id = ${agentId}::uuid)
        union all
        select 'a part has its bytes nowhere', part_id, agent_id from parts
        where tenant_id = ${tx.tenantId} and object_id is null and sealed is null
          and (${agentId}::uuid is null or agent_id = ${agentId}::uuid)
        union all
        select 'a record has its bytes nowhere', r.record_id, s.agent_id from records r
        join streams s on s.tenant_id = r.tenant_id and s.stream_id = r.stream_id
        where r.tenant_id = ${tx.tenantId} and r.object_id is null and r.sealed is null
          and (${agentId}::uuid is null or s.agent_id = ${agentId}::uuid)
        union all
        select 'a version is the beginning of one that is gone', v.version_id, v.agent_id from versions v
        where v.tenant_id = ${tx.tenantId} and v.prefix_of is not null and (${agentId}::uuid is null or v.agent_id = ${agentId}::uuid)
          and not exists (select from versions w where w.tenant_id = v.tenant_id and w.agent_id = v.agent_id
            and w.version_id = v.prefix_of and w.prefix_of is null and w.size >= v.size)
        union all
        select 'a version is the beginning of one that has no list of its beginnings', v.version_id, v.agent_id from versions v
        where v.tenant_id = ${tx.tenantId} and v.prefix_of is not null and (${agentId}::uuid is null or v.agent_id = ${agentId}::uuid)
          and v.prefix_of not in (select left(split_part(o.object_key, '/prefixes/', 2), 36)::uuid from objects o
            where o.tenant_id = ${tx.tenantId} and o.kind = 'prefixes' and o.state = 'live')
        union all
        select 'a version names a part that is gone', v.version_id, v.agent_id from versions v
        where v.tenant_id = ${tx.tenantId} and (${agentId}::uuid is null or v.agent_id = ${agentId}::uuid)
          and exists (select from unnest(v.part_ids) as named (part_id) where not exists (select from parts p
            where p.tenant_id = v.tenant_id and p.agent_id = v.agent_id and p.part_id = named.part_id))
        union all
        select 'a file has no version that is its head', n.node_id, n.agent_id from nodes n
        where n.tenant_id = ${tx.tenantId} and n.deleted_at is null and n.head_version is not null
          and (${agentId}::uuid is null or n.agent_id = ${agentId}::uuid)
          and not exists (select from versions v where v.tenant_id = n.tenant_id and v.agent_id = n.agent_id
            and v.version_id = n.head_version)
        limit ${PROBLEMS_MAX}`,
    )
  }

  async *#pages<T>(
    scope: TenantScope,
    read: (tx: TenantTransaction, after: string) => Promise<T[]>,
    idOf: (row: T) => string,
    limit: number,
  ): AsyncGenerator<T[]> {
    for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
      const from = after
      const rows = await this.#database.withTenant(scope, (tx) => read(tx, from))
      if (rows.length > 0) yield rows
      const last = rows.at(-1)
      if (last === undefined || rows.length < limit) return
      after = idOf(last)
    }
  }
}
