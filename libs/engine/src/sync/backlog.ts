import type { TenantScope } from '@agentfs/access'
import { AgentfsError } from '@agentfs/contracts'
import { type Database, stagedBytesAcrossTenants, stagedBytesOfTenant } from '@agentfs/storage'
import type { Clock } from '../ports.js'
import { RecentMap } from '../reads/recent-map.js'

const FRESH_MS = 1_000
const RETRY_AFTER_SECONDS = 10

/** Refuses writes while too many sealed bytes wait in Postgres for the object store [OUT-1]. Looks once a second at most. */
export class Backlog {
  readonly #database: Database
  readonly #limits: { readonly stagedBytesMax: number; readonly stagedBytesPerTenantMax: number }
  readonly #clock: Clock
  readonly #tenants = new RecentMap<{ bytes: number; atMs: number }>(10_000)
  #all = { bytes: 0, atMs: Number.NEGATIVE_INFINITY }

  constructor(
    database: Database,
    limits: { readonly stagedBytesMax: number; readonly stagedBytesPerTenantMax: number },
    clock: Clock,
  ) {
    this.#database = database
    this.#limits = limits
    this.#clock = clock
  }

  /** Throws `storage_backlogged` with `retryAfterSeconds` where a limit is reached. */
  async assertRoom(scope: TenantScope): Promise<void> {
    const now = this.#clock.now()
    if (now - this.#all.atMs >= FRESH_MS) {
      this.#all = { bytes: this.#all.bytes, atMs: now }
      this.#all = { bytes: await stagedBytesAcrossTenants(this.#database), atMs: now }
    }
    let tenant = this.#tenants.get(scope.tenantId)
    if (tenant === undefined || now - tenant.atMs >= FRESH_MS) {
      tenant = { bytes: await this.#database.withTenant(scope, stagedBytesOfTenant), atMs: now }
      this.#tenants.set(scope.tenantId, tenant)
    }
    const full =
      this.#all.bytes >= this.#limits.stagedBytesMax || tenant.bytes >= this.#limits.stagedBytesPerTenantMax
    if (!full) return
    throw new AgentfsError('storage_backlogged', {
      detail: 'the object store is behind and no more can be staged; it drains by itself: try again later',
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    })
  }
}
