import { mintTenantScope, type TenantScope } from '@agentfs/access'
import { type DueStream, DueStreamsStore } from '@agentfs/storage'
import type { Clock } from '../ports.js'
import { type FollowerOptions, SYSTEM_CLOCK } from './follower-options.js'
import { PACK_BYTES_MAX, STAGED_AGE_MS_MAX } from './pack-plan.js'

/** A stream to pack. */
export interface StreamToPack {
  readonly scope: TenantScope
  readonly streamId: string
}

/** Due work as of one look. */
export interface DueWork {
  readonly streams: readonly StreamToPack[]
  /** How long the oldest of them has waited. */
  readonly oldestMs: number
}

const STREAMS_MAX = 1_000
const TENANTS_PAGE = 500

/** Finds due work over all tenants in Postgres, so that a queue that forgot everything costs a sweep's interval. */
export class Sweeper {
  readonly #due: DueStreamsStore
  readonly #clock: Clock

  constructor({ database, clock = SYSTEM_CLOCK }: Pick<FollowerOptions, 'database' | 'clock'>) {
    this.#due = new DueStreamsStore(database)
    this.#clock = clock
  }

  /** Streams that are due by size, age or request, oldest first; a thousand at most, the rest with the next look. */
  async dueAcrossTenants(): Promise<DueWork> {
    const nowMs = this.#clock.now()
    const rows = await this.#stagedBefore(nowMs - STAGED_AGE_MS_MAX)
    const [oldest] = rows
    return {
      streams: rows.map(streamOf),
      oldestMs: oldest === undefined ? 0 : Math.max(0, nowMs - oldest.stagedSince.getTime()),
    }
  }

  /** Streams with anything that waits, due or not; a thousand at most. */
  async waitingAcrossTenants(): Promise<readonly StreamToPack[]> {
    return (await this.#stagedBefore(this.#clock.now())).map(streamOf)
  }

  /** What waits in Postgres for the object store, over all tenants: the alarm of an outage [OUT-1]. */
  async stagedAcrossTenants(): Promise<{ readonly bytes: number; readonly oldestMs: number }> {
    const { bytes, since } = await this.#due.stagedAcrossTenants()
    return { bytes, oldestMs: since === null ? 0 : Math.max(0, this.#clock.now() - since.getTime()) }
  }

  #stagedBefore(ms: number): Promise<DueStream[]> {
    return this.#due.dueAcrossTenants({
      bytes: PACK_BYTES_MAX,
      stagedBefore: new Date(ms),
      streamsMax: STREAMS_MAX,
    })
  }

  /** Every tenant, for work that each needs now and then. */
  async *tenantsAcrossTenants(): AsyncGenerator<TenantScope> {
    for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
      const tenants = await this.#due.tenantsAcrossTenants(after, TENANTS_PAGE)
      for (const tenantId of tenants) yield mintTenantScope(tenantId)
      const last = tenants.at(-1)
      if (last === undefined || tenants.length < TENANTS_PAGE) return
      after = last
    }
  }
}

function streamOf({ tenantId, streamId }: DueStream): StreamToPack {
  return { scope: mintTenantScope(tenantId), streamId }
}
