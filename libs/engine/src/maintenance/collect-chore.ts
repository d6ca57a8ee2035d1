import type { TenantScope } from '@agentfs/access'
import type { Collector } from '../followers/collector.js'
import type { Chore, ChoreRequest, ChoreStep } from './chore.js'

/** Deletes what nothing points at, after its grace time. Works on whole tenants: an agent has no objects of its own to name. */
export class CollectChore implements Chore {
  readonly name = 'collect'
  readonly #collector: Collector

  constructor(collector: Collector) {
    this.#collector = collector
  }

  async step(scope: TenantScope, { dryRun }: ChoreRequest): Promise<ChoreStep> {
    const counts = await (dryRun ? this.#collector.countDue(scope) : this.#collector.collectObjects(scope))
    return { counts: { ...counts }, resume: null }
  }
}
