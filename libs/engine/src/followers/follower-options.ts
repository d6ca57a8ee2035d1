import type { Database } from '@agentfs/storage'
import type { Clock, TenantResources } from '../ports.js'

/** What every follower of this folder works on. */
export interface FollowerOptions {
  readonly database: Database
  readonly resources: TenantResources
  readonly clock?: Clock
}

/** The machine's clock. */
export const SYSTEM_CLOCK: Clock = { now: () => Date.now() }
