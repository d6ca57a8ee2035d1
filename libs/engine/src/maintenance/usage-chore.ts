import type { TenantScope } from '@agentfs/access'
import { type UsageRow, UsageStore } from '@agentfs/storage'
import { type FollowerOptions, SYSTEM_CLOCK } from '../followers/follower-options.js'
import type { Chore, ChoreRequest, ChoreStep } from './chore.js'

/** Counts what stands in a tenant's part of the bucket and keeps the figures, so that looking at them costs nothing. */
export class UsageChore implements Chore {
  readonly name = 'usage'
  readonly counted = ['objects', 'versions', 'liveBytes', 'unusedBytes', 'deadBytes']
  readonly #store: UsageStore
  readonly #nowMs: () => number

  constructor({ database, clock = SYSTEM_CLOCK }: Pick<FollowerOptions, 'database' | 'clock'>) {
    this.#store = new UsageStore(database)
    this.#nowMs = () => clock.now()
  }

  /** The whole tenant: an agent is no unit of it. */
  async step(scope: TenantScope, { dryRun }: ChoreRequest): Promise<ChoreStep> {
    const rows = await this.#store.count(scope)
    if (!dryRun) await this.#store.save(scope, rows, new Date(this.#nowMs()))
    const sum = (of: UsageRow[], pick: (row: UsageRow) => number): number =>
      of.reduce((total, row) => total + pick(row), 0)
    const versions = rows.filter(({ what }) => what === 'version')
    const objects = rows.filter(({ what }) => what !== 'version')
    const live = objects.filter(({ state }) => state === 'live')
    const dead = objects.filter(({ state }) => state === 'dead')
    const liveBytes = sum(live, (row) => row.liveBytes)
    const counts = {
      objects: sum(objects, ({ count }) => count),
      versions: sum(versions, ({ count }) => count),
      liveBytes,
      unusedBytes: sum(live, ({ bytes }) => bytes) - liveBytes,
      deadBytes: sum(dead, ({ bytes }) => bytes),
    }
    return { counts, resume: null }
  }
}
