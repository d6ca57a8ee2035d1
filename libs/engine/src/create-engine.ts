import type { TenantScope } from '@agentfs/access'
import { KEK_LEASE_MS } from '@agentfs/crypto'
import type { Database } from '@agentfs/storage'
import { Accounts } from './accounts/accounts.js'
import { Secrets } from './accounts/secrets.js'
import { Tenants } from './accounts/tenants.js'
import { AgentGate } from './agents/agent-gate.js'
import { Agents } from './agents/agents.js'
import { AuditLog } from './audit/audit-log.js'
import { Committer } from './commit/commit.js'
import type { Engine } from './engine.js'
import { Files } from './files/files.js'
import { KnownDirectories } from './files/known-directories.js'
import { SYSTEM_CLOCK } from './followers/follower-options.js'
import type { PackHint } from './followers/pack-hint.js'
import type { PromptPacker } from './followers/prompt-packer.js'
import { Idempotency } from './idempotency/idempotency.js'
import { Erasures } from './keys/erasures.js'
import { KeyVault } from './keys/key-vault.js'
import { MirrorSettings } from './mirror/mirror-settings.js'
import { MirrorTargets } from './mirror/mirror-targets.js'
import type { Announcer, Clock, EngineLog, TenantResources } from './ports.js'
import { ContentReader } from './reads/content-reader.js'
import { ExtentPages } from './reads/extent-pages.js'
import { KnownPlaces } from './reads/known-places.js'
import { OpenedParts } from './reads/opened-parts.js'
import { SealedBytes } from './reads/sealed-bytes.js'
import { SharedLooks } from './reads/shared-looks.js'
import { VersionOpener } from './reads/version-opener.js'
import { Administration } from './streams/administration.js'
import { AuditBatch } from './streams/audit-batch.js'
import { RecordAuthor } from './streams/record-author.js'
import { RecordReader } from './streams/record-reader.js'
import { Backlog } from './sync/backlog.js'
import { CommitReader } from './sync/commit-reader.js'
import { PartIntake } from './sync/part-intake.js'
import { SmallContents } from './sync/small-contents.js'
import { SyncService } from './sync/sync-service.js'

/** What an engine is made of. */
export interface EngineOptions {
  readonly database: Database
  readonly resources: TenantResources
  /** Secret of the service, 32 bytes: HMAC key of API-key hashes and e-mail look-ups. */
  readonly pepper: Uint8Array
  readonly announcer: Announcer
  readonly packHint: PackHint
  /** Packs what a flush waits for in this process; while it gives none, and without it, flushes wait for a worker. */
  readonly promptPacker?: () => PromptPacker | undefined
  readonly log: EngineLog
  readonly clock?: Clock
  readonly limits?: Partial<EngineLimits>
  /** Where mirrors may write; the tenant's own store alone unless told. */
  readonly mirrorTargets?: MirrorTargets
  /** Told of a client that has seen, or claims to have seen, more of an agent's stream than the database has. */
  readonly onClientAhead?: (scope: TenantScope, agentId: string) => void
}

/** Bounds an operator may set. */
export interface EngineLimits {
  /** Sealed bytes that may wait in Postgres, over all tenants [OUT-1]. */
  readonly stagedBytesMax: number
  /** The same for one tenant. */
  readonly stagedBytesPerTenantMax: number
  /** The largest file. */
  readonly fileBytesMax: number
  /** How long batched records wait at most [AUD-2]. */
  readonly auditBatchMs: number
  /** Memory for sealed bytes read from the object store. */
  readonly sealedCacheBytes: number
  /** How long an unwrapped key is used before the KMS is asked again; KEK_LEASE_MS at most. */
  readonly kekLeaseMs: number
}

/** The defaults of `EngineLimits`. */
export const ENGINE_LIMITS: EngineLimits = {
  stagedBytesMax: 10 * 1024 ** 3,
  stagedBytesPerTenantMax: 1024 ** 3,
  fileBytesMax: 1024 ** 4,
  auditBatchMs: 500,
  sealedCacheBytes: 64 * 1024 ** 2,
  kekLeaseMs: KEK_LEASE_MS,
}

/** Puts the service together; nothing runs by itself but the batches of the audit log. */
export function createEngine(options: EngineOptions): Engine {
  const { database, resources, announcer, packHint, log, clock = SYSTEM_CLOCK } = options
  const limits = { ...ENGINE_LIMITS, ...options.limits }
  const vault = new KeyVault(database, resources, limits.kekLeaseMs)
  const erasures = new Erasures({ database, resources, clock, packHint, log })
  const secrets = new Secrets(options.pepper)
  const authors = new RecordAuthor(database, vault, clock)
  const batch = new AuditBatch(database, vault, packHint, log, limits.auditBatchMs)
  const administration = new Administration(vault, authors, batch, clock)
  const gate = new AgentGate(database, administration, clock)
  const sealed = new SealedBytes(resources, limits.sealedCacheBytes)
  const records = new RecordReader(database, vault, sealed)
  const pages = new ExtentPages(database, vault, sealed)
  const opener = new VersionOpener(vault, sealed, pages)
  const reader = new ContentReader(database, vault, sealed, pages, new OpenedParts())
  const { fileBytesMax } = limits
  const tools = {
    database,
    vault,
    gate,
    opener,
    pages,
    reader,
    administration,
    packHint,
    promptPacker: options.promptPacker ?? (() => undefined),
    clock,
    fileBytesMax,
  }
  const committer = new Committer({ ...tools, authors, announcer })
  const backlog = new Backlog(database, limits, clock)
  const parts = new PartIntake({ database, vault, resources, backlog, clock, log })
  const accounts = new Accounts({ database, vault, secrets, resources, clock }, gate, administration)
  return {
    accounts,
    tenants: new Tenants({ database, resources, vault, administration, erasures, clock }),
    agents: new Agents(database, vault, gate, administration, erasures, clock, packHint),
    mirrors: new MirrorSettings({
      database,
      gate,
      administration,
      targets: options.mirrorTargets ?? new MirrorTargets(resources),
      clock,
    }),
    files: new Files({
      ...tools,
      places: new KnownPlaces(),
      directories: new KnownDirectories(),
      looks: new SharedLooks(database),
      erasures,
      committer,
      parts,
      backlog,
    }),
    sync: new SyncService({
      database,
      gate,
      committer,
      commits: new CommitReader(records),
      contents: new SmallContents({ database, vault, opener, pages, reader }),
      parts,
      backlog,
      administration,
      onClientAhead: options.onClientAhead ?? (() => undefined),
      stillHolds: (principal, address) => accounts.stillHolds(principal, address),
    }),
    audit: new AuditLog(database, vault, gate, administration, batch, log, records),
    idempotency: new Idempotency(database, vault, clock),
    ready: async () => {
      await database.withoutTenant((tx) => tx.query`select 1 as one`)
    },
    close: () => batch.close(),
  }
}
