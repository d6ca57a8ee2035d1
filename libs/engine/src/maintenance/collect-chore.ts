import type { TenantScope } from '@agentfs/access'
import type { Collector } from '../followers/collector.js'
import type { Chore, ChoreRequest, ChoreStep } from './chore.js'

/** Objects that one step deletes at most: tenants take turns. */
export const COLLECTED_MAX = 500

/** Deletes what nothing points at, after its grace time. Works on whole tenants: an agent has no objects of its own to name. */
export class CollectChore implements Chore {
  readonly name = 'collect'
  readonly counted = ['givenUp', 'uploadsDropped', 'deleted', 'undeleted', 'ledgersRewritten']
  readonly #collector: Collector

  constructor(collector: Collector) {
    this.#collector = collector
  }

  /** Some of the objects that are due; `resume` says no more than that there may be others. */
  async step(scope: TenantScope, { dryRun, signal }: ChoreRequest): Promise<ChoreStep> {
    if (dryRun) return { counts: { ...(await this.#collector.countDue(scope)) }, resume: null }
    const counts = await this.#collector.collectObjects(scope, {
      deletedMax: COLLECTED_MAX,
      ...(signal === undefined ? {} : { signal }),
    })
    return { counts: { ...counts }, resume: counts.deleted < COLLECTED_MAX ? null : 'more' }
  }
}
