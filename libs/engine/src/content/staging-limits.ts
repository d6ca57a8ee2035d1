import type { TenantScope } from '@agentfs/access'
import { AgentfsError } from '@agentfs/contracts'
import { type Database, stagedBytesAcrossTenants, stagedBytesOfTenant } from '@agentfs/storage'
import type { Clock } from '../ports.js'
import { RecentMap } from '../reads/recent-map.js'

const READ_EVERY_MS = 1_000

interface Gauge {
  bytes: number
  readAtMs: number
}

/**
 * Refuses writes while too many sealed bytes wait in Postgres for the object store [OUT-1]. Sums are read once a second
 * and what this process adds is counted on top, so that no write waits for a sum.
 */
export class StagingLimits {
  readonly #database: Database
  readonly #clock: Clock
  readonly #bytesMax: number
  readonly #perTenantMax: number
  readonly #tenants = new RecentMap<Gauge>(10_000)
  #all: Gauge = { bytes: 0, readAtMs: Number.NEGATIVE_INFINITY }

  constructor(
    database: Database,
    clock: Clock,
    limits: { readonly stagedBytesMax: number; readonly stagedBytesPerTenantMax: number },
  ) {
    this.#database = database
    this.#clock = clock
    this.#bytesMax = limits.stagedBytesMax
    this.#perTenantMax = limits.stagedBytesPerTenantMax
  }

  /** Throws `storage_backlogged` where `bytes` more would pass a limit; counts them otherwise. */
  async requireRoom(scope: TenantScope, bytes: number): Promise<void> {
    const nowMs = this.#clock.now()
    const tenant = this.#tenants.get(scope.tenantId) ?? { bytes: 0, readAtMs: Number.NEGATIVE_INFINITY }
    this.#tenants.set(scope.tenantId, tenant)
    if (nowMs - tenant.readAtMs >= READ_EVERY_MS) {
      tenant.readAtMs = nowMs
      tenant.bytes = await this.#database.withTenant(scope, stagedBytesOfTenant)
    }
    if (nowMs - this.#all.readAtMs >= READ_EVERY_MS) {
      this.#all.readAtMs = nowMs
      this.#all.bytes = await stagedBytesAcrossTenants(this.#database)
    }
    if (tenant.bytes + bytes > this.#perTenantMax || this.#all.bytes + bytes > this.#bytesMax) {
      throw new AgentfsError('storage_backlogged', {
        detail: 'too much waits for the object store; try again later',
        retryAfterSeconds: 10,
      })
    }
    tenant.bytes += bytes
    this.#all.bytes += bytes
  }
}
