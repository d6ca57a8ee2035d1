import type { Database } from '@agentfs/storage'
import type { PackHint } from './followers/pack-hint.js'
import type { Announcer, Clock, EngineLog, TenantResources } from './ports.js'

/** What an engine is made of. */
export interface EngineOptions {
  readonly database: Database
  readonly resources: TenantResources
  /** Secret of the service, 32 bytes: HMAC key of API-key hashes and e-mail look-ups. */
  readonly pepper: Uint8Array
  readonly announcer: Announcer
  readonly packHint: PackHint
  readonly log: EngineLog
  readonly clock?: Clock
  readonly limits?: Partial<EngineLimits>
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
}

/** The defaults of `EngineLimits`. */
export const ENGINE_LIMITS: EngineLimits = {
  stagedBytesMax: 10 * 1024 ** 3,
  stagedBytesPerTenantMax: 1024 ** 3,
  fileBytesMax: 1024 ** 4,
  auditBatchMs: 500,
  sealedCacheBytes: 64 * 1024 ** 2,
}
