import type { TenantScope } from '@agentfs/access'
import type { Kms } from '@agentfs/crypto'
import type { ObjectStore } from '@agentfs/storage'

/** What is a tenant's own: its bucket and its KMS. */
export interface TenantStorage {
  readonly objectStore: ObjectStore
  /** Put in front of every object key, '' or ending in '/'. */
  readonly objectPrefix: string
  readonly kms: Kms
}

/** Resolves what a tenant stores with; cached by the implementation, cheap to call. */
export interface TenantResources {
  resolve(scope: TenantScope): Promise<TenantStorage>
}

/** The head of an agent's stream after a commit. */
export interface Announcement {
  readonly tenantId: string
  readonly agentId: string
  readonly epoch: number
  readonly seq: number
}

/** Tells followers that an agent's stream grew. Called after COMMIT; may lose messages, must not throw or wait [SY-3]. */
export interface Announcer {
  publish(announcement: Announcement): void
}

/** Milliseconds since 1970. */
export interface Clock {
  now(): number
}

/** Where the engine says what an operator should know; never contents or secrets. */
export interface EngineLog {
  warn(message: string, facts?: Readonly<Record<string, unknown>>): void
  error(message: string, facts?: Readonly<Record<string, unknown>>): void
}
