import type { TenantScope } from '@agentfs/access'
import { type Database, isTenantErased } from '@agentfs/storage'
import type { Chore, ChoreRequest, ChoreStep } from './chore.js'

/** A chore that leaves erased tenants alone: no key of theirs opens anything, and none may be made anew. */
export class LivingTenants implements Chore {
  readonly name: string
  readonly counted: readonly string[]
  readonly #chore: Chore
  readonly #database: Database

  constructor(chore: Chore, database: Database) {
    this.name = chore.name
    this.counted = chore.counted
    this.#chore = chore
    this.#database = database
  }

  async step(scope: TenantScope, request: ChoreRequest): Promise<ChoreStep> {
    const erased = await this.#database.readTenant(scope, (tx) => isTenantErased(tx))
    return erased ? { counts: {}, resume: null, passedOver: true } : this.#chore.step(scope, request)
  }
}
