import { createHash, randomBytes } from 'node:crypto'
import { mintTenantScope, type TenantScope } from '@agentfs/access'
import { AgentfsError, uuidv7 } from '@agentfs/contracts'
import type { Kms } from '@agentfs/crypto'
import {
  Database,
  GuardedObjectStore,
  type KeyLedgerRows,
  migrate,
  type ObjectStore,
  openFilesystemObjectStore,
  roleUrl,
} from '@agentfs/storage'
import {
  type PostgresCluster,
  startPostgres,
  temporaryDirectory,
  type TemporaryDirectory,
} from '@agentfs/testkit'
import { afterAll, beforeAll, beforeEach } from '@jest/globals'
import type { TenantResources } from '../ports.js'
import { CompactChore } from '../maintenance/compact-chore.js'
import { Collector } from './collector.js'
import type { CrashPoints } from './crash-points.js'
import { decodeKeyLedger } from './key-ledger-format.js'
import { type PackOutcome, Packer, type PackerOptions } from './packer.js'

const passwords = { app: 'app-password-0123456789', heads: 'heads-password-0123456789' }

/** Counts what reaches the store, and fails where it is told to. */
export class CountingStore {
  puts = 0
  failing = false
  readonly #store: ObjectStore

  constructor(store: ObjectStore) {
    this.#store = store
  }

  /** The store with `putIfAbsent` counted. */
  counted(): ObjectStore {
    return new Proxy(this.#store, {
      get: (store, name) => {
        if (name !== 'putIfAbsent') {
          const value: unknown = Reflect.get(store, name)
          return typeof value === 'function' ? (value.bind(store) as unknown) : value
        }
        return (...call: Parameters<ObjectStore['putIfAbsent']>) => {
          this.puts++
          if (this.failing)
            return Promise.reject(new AgentfsError('unavailable', { detail: 'the store is down' }))
          return store.putIfAbsent(...call)
        }
      },
    })
  }
}

/** What the packer's tests look at of a stream. */
export interface StreamRow {
  readonly stagedBytes: number
  readonly stagedSince: Date | null
  readonly flushRequestedAt: string | null
  readonly cursor: number
}

/** What they look at of an object. */
export interface ObjectRow {
  readonly objectId: string
  readonly kind: string
  readonly objectKey: string
  readonly state: string
  readonly liveBytes: number
}

interface PartRow {
  partId: string
  sealed: Buffer | null
  sealedLength: number
  objectKey: string | null
  objectOffset: number
  state: string | null
}

/** A tenant with one agent whose commits wait in a real Postgres, anew for each test, and a clock to turn. */
export class StagedTenant {
  readonly clock = { now: (): number => this.nowMs }
  database!: Database
  /** The store without the counting, for looking. */
  files!: ObjectStore
  store!: CountingStore
  scope!: TenantScope
  agentId!: string
  nowMs = 0
  #cluster!: PostgresCluster
  #directory!: TemporaryDirectory
  #resources!: TenantResources

  /** Starts Postgres and makes the schema. */
  async open(): Promise<void> {
    this.#cluster = await startPostgres()
    const { url } = await this.#cluster.createDatabase()
    await migrate({ url, passwords })
    this.database = new Database({
      url: roleUrl(url, 'app', passwords.app),
      headsUrl: roleUrl(url, 'heads', passwords.heads),
      poolSize: 6,
    })
    this.#directory = await temporaryDirectory()
    this.files = await openFilesystemObjectStore(this.#directory.path)
  }

  /** A new tenant, and the present time. */
  async reset(): Promise<void> {
    this.nowMs = Date.now()
    this.store = new CountingStore(this.files)
    const objectStore = new GuardedObjectStore(this.store.counted(), { nowMs: () => this.nowMs })
    // The packer moves ciphertext: it must not ask for a KMS at all.
    const resolved = { objectStore, objectPrefix: 'bucket/', kms: undefined as unknown as Kms }
    this.#resources = { resolve: () => Promise.resolve(resolved) }
    this.scope = mintTenantScope(uuidv7())
    this.agentId = uuidv7()
    await this.#seedAgent()
  }

  async close(): Promise<void> {
    await this.database.close()
    await this.#cluster.stop()
    await this.#directory.remove()
  }

  packer(options: Partial<PackerOptions> = {}): Packer {
    return new Packer({ database: this.database, resources: this.#resources, clock: this.clock, ...options })
  }

  /** One step of a fresh packer. */
  pack(options: Partial<PackerOptions> = {}): Promise<PackOutcome> {
    return this.packer(options).packStream(this.scope, this.agentId)
  }

  /** All steps of a fresh packer that are due. */
  async advance(): Promise<PackOutcome[]> {
    const outcomes: PackOutcome[] = []
    for await (const outcome of this.packer().advance(this.scope, this.agentId)) outcomes.push(outcome)
    return outcomes
  }

  compactor(crashPoints: CrashPoints = () => undefined): CompactChore {
    const { database, clock } = this
    const resources = this.#resources
    return new CompactChore({ database, resources, clock, bytesPerSecond: Infinity, crashPoints })
  }

  collector(): Collector {
    return new Collector({ database: this.database, resources: this.#resources, clock: this.clock })
  }

  /** One commit as the engine leaves it: a record, and `files` new files of one part each, whose hashes it gives. */
  async commit(
    options: { files?: number; partBytes?: number } = {},
  ): Promise<{ seq: number; parts: Map<string, string>; keys: string[] }> {
    const parts = new Map<string, string>()
    const keys: string[] = []
    const seq = await this.database.withTenant(this.scope, async (tx) => {
      const { tenantId } = tx
      const [head] = await tx.query<{ headSeq: number }>`update streams set head_seq = head_seq + 1
        where tenant_id = ${tenantId} and stream_id = ${this.agentId} returning head_seq`
      if (head === undefined) throw new Error('the stream is gone')
      const { headSeq } = head
      let bytes = 200
      for (let file = 0; file < (options.files ?? 1); file++) {
        const [node, key, version, part] = [uuidv7(), uuidv7(), uuidv7(), uuidv7()]
        const sealed = randomBytes(options.partBytes ?? 1_112)
        parts.set(part, sha256(sealed))
        keys.push(key)
        bytes += sealed.length + 300
        void tx.query`insert into content_keys (tenant_id, key_id, purpose, agent_id, node_id, kek_version, wrapped, created_at)
          values (${tenantId}, ${key}, 'content', ${this.agentId}, ${node}, 1, ${randomBytes(65)}, now())`
        void tx.query`insert into nodes (tenant_id, agent_id, node_id, kind, mode, uid, gid, mtime_sec, mtime_nsec, ctime_sec,
            ctime_nsec, created_at, modified_at, modified_by, seq)
          values (${tenantId}, ${this.agentId}, ${node}, 'file', 420, 0, 0, 0, 0, 0, 0, now(), now(), 'agent/a', ${headSeq})`
        void tx.query`insert into versions (tenant_id, agent_id, node_id, version_id, number, parents, author, size, content_mac,
            part_ids, key_id, epoch, seq, created_at, sealed, sealed_length)
          values (${tenantId}, ${this.agentId}, ${node}, ${version}, 1, '{}', 'agent/a', 1000, '', array[${part}::uuid], ${key}, 0,
            ${headSeq}, now(), ${randomBytes(300)}, 300)`
        void tx.query`insert into parts (tenant_id, agent_id, part_id, node_id, key_id, size, content_mac, epoch, seq, created_at, sealed, sealed_length)
          values (${tenantId}, ${this.agentId}, ${part}, ${node}, ${key}, 1000, '', 0, ${headSeq}, now(), ${sealed}, ${sealed.length})`
      }
      const at = new Date(this.nowMs)
      void tx.query`insert into records (tenant_id, stream_id, epoch, seq, record_id, leaf_index, leaf, at, sealed, sealed_length)
        values (${tenantId}, ${this.agentId}, 0, ${headSeq}, ${uuidv7()}, ${headSeq - 1}, '', ${at}, ${randomBytes(200)}, 200)`
      void tx.query`update streams set staged_bytes = staged_bytes + ${bytes}, staged_since = coalesce(staged_since, ${at})
        where tenant_id = ${tenantId} and stream_id = ${this.agentId}`
      return headSeq
    })
    return { seq, parts, keys }
  }

  async requestFlush(): Promise<void> {
    await this.database.withTenant(
      this.scope,
      (tx) => tx.query`update streams set flush_requested_at = clock_timestamp()
        where tenant_id = ${tx.tenantId} and stream_id = ${this.agentId}`,
    )
  }

  async streamRow(): Promise<StreamRow> {
    const [row] = await this.database.withTenant(
      this.scope,
      (tx) => tx.query<StreamRow>`
        select staged_bytes, staged_since, flush_requested_at::text as flush_requested_at, coalesce((select seq from followers f
          where f.tenant_id = s.tenant_id and f.stream_id = s.stream_id and follower = 'packer'), 0) as cursor
        from streams s where tenant_id = ${tx.tenantId} and stream_id = ${this.agentId}`,
    )
    if (row === undefined) throw new Error('the stream is gone')
    return row
  }

  /** Objects in the order they were made. */
  async objectRows(): Promise<ObjectRow[]> {
    return this.database.withTenant(
      this.scope,
      (tx) => tx.query<ObjectRow>`
        select object_id, kind, object_key, state, live_bytes from objects where tenant_id = ${tx.tenantId} order by object_id`,
    )
  }

  /** The live objects of a kind. */
  async live(kind: string): Promise<ObjectRow[]> {
    return (await this.objectRows()).filter((row) => row.kind === kind && row.state === 'live')
  }

  /** What the live pieces of the key ledger hold. */
  async ledgers(): Promise<KeyLedgerRows[]> {
    const rows = await this.live('keys')
    return Promise.all(
      rows.map(async ({ objectKey }) =>
        decodeKeyLedger(this.scope.tenantId, objectKey, await this.files.get(`bucket/${objectKey}`)),
      ),
    )
  }

  /** Keys of everything that stands in the object store, in their order. */
  async objectsInStore(): Promise<string[]> {
    const keys: string[] = []
    for await (const { key } of this.files.list(`bucket/tenants/${this.scope.tenantId}/`)) keys.push(key)
    return keys
  }

  /** Every part with the hash of its bytes, read from wherever its row says. */
  async readParts(): Promise<Map<string, string>> {
    const rows = await this.database.withTenant(
      this.scope,
      (tx) => tx.query<PartRow>`
      select p.part_id, p.sealed, p.sealed_length, o.object_key, p.object_offset, o.state from parts p
      left join objects o on o.tenant_id = p.tenant_id and o.object_id = p.object_id where p.tenant_id = ${tx.tenantId}`,
    )
    const found = new Map<string, string>()
    for (const { partId, sealed, objectKey, objectOffset, sealedLength, state } of rows) {
      if (objectKey !== null && state !== 'live')
        throw new Error(`part ${partId} points at a ${state} object`)
      const bytes = sealed ?? (await this.files.getRange(`bucket/${objectKey}`, objectOffset, sealedLength))
      found.set(partId, sha256(bytes))
    }
    return found
  }

  async #seedAgent(): Promise<void> {
    const [streamKey, root] = [uuidv7(), uuidv7()]
    await this.database.withTenant(this.scope, async (tx) => {
      const { tenantId } = tx
      void tx.query`insert into tenants (tenant_id, name, created_at) values (${tenantId}, 'tenant', now())`
      void tx.query`insert into tenant_keks (tenant_id, kek_version, wrapped, kms, created_at)
        values (${tenantId}, 1, ${randomBytes(60)}, 'key-file', now())`
      void tx.query`insert into content_keys (tenant_id, key_id, purpose, agent_id, kek_version, wrapped, created_at)
        values (${tenantId}, ${streamKey}, 'stream', ${this.agentId}, 1, ${randomBytes(65)}, now())`
      void tx.query`insert into agents (tenant_id, agent_id, name, root_id, stream_key_id, created_at)
        values (${tenantId}, ${this.agentId}, 'agent', ${root}, ${streamKey}, now())`
      void tx.query`insert into streams (tenant_id, stream_id, kind, agent_id, key_id)
        values (${tenantId}, ${this.agentId}, 'agent', ${this.agentId}, ${streamKey})`
    })
  }
}

/** A staged tenant for each test of a file. */
export function useStagedTenant(): StagedTenant {
  const tenant = new StagedTenant()
  beforeAll(() => tenant.open())
  beforeEach(() => tenant.reset())
  afterAll(() => tenant.close())
  return tenant
}

/** Hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
