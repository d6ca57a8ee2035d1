import type { TenantScope } from '@agentfs/access'
import { CheckStore, ErasedTenantsStore, ObjectRowsStore } from '@agentfs/storage'
import { ownedObject } from '../checking/owned-object.js'
import { type FollowerOptions, SYSTEM_CLOCK } from '../followers/follower-options.js'
import { KeyLedger } from '../followers/key-ledger.js'
import { tenantPrefix } from '../followers/object-keys.js'
import type { Clock, TenantResources } from '../ports.js'
import type { Chore, ChoreRequest, ChoreStep } from './chore.js'

const ROWS = 5_000
const OBJECTS = 1_000
const LISTED_MAX = 5_000
/** Where a tenant's rows are done and its part of the bucket is looked through. */
const LISTING = 'list:'

/**
 * Deletes what is left of erased tenants: rows at once, objects by giving each a `dead` row, so that the collector deletes
 * them after the grace time. What stays is the tombstone, in the database and in the ledger, and the checkpoints of the log,
 * which hold hashes and numbers alone.
 */
export class ErasedTenantsChore implements Chore {
  readonly name = 'erased-tenants'
  readonly #erased: ErasedTenantsStore
  readonly #check: CheckStore
  readonly #rows: ObjectRowsStore
  readonly #ledger: KeyLedger
  readonly #resources: TenantResources
  readonly #clock: Clock

  constructor(options: FollowerOptions) {
    const { database, resources, clock = SYSTEM_CLOCK } = options
    this.#erased = new ErasedTenantsStore(database)
    this.#check = new CheckStore(database)
    this.#rows = new ObjectRowsStore(database)
    this.#ledger = new KeyLedger(options)
    this.#resources = resources
    this.#clock = clock
  }

  /** Some rows or some objects of an erased tenant; nothing of any other. */
  async step(scope: TenantScope, { dryRun, resume, signal }: ChoreRequest): Promise<ChoreStep> {
    if ((await this.#erased.tombstone(scope)) === undefined) return { counts: {}, resume: null }
    if (dryRun) return { counts: { tenantsErased: 1 }, resume: null }
    if (resume?.startsWith(LISTING) === true) return this.#list(scope, resume.slice(LISTING.length), signal)
    // Before anything goes: the bucket must tell that the tenant was erased for as long as it has anything of it.
    const nothing = { keyIds: [], nodeIds: [] }
    const ledgered = await this.#ledger.write(scope, scope.tenantId, nothing, signal)
    if (!ledgered) return { counts: {}, resume: null }
    const objects = await this.#erased.killObjects(scope, OBJECTS, this.#now())
    if (objects > 0) return { counts: { objects }, resume: 'rows' }
    const rows = await this.#erased.deleteSomeRows(scope, ROWS)
    if (rows > 0) return { counts: { rows }, resume: 'rows' }
    const mirrorsLeft = (await this.#erased.deleteAgents(scope)) ? 0 : 1
    return { counts: { mirrorsLeft }, resume: LISTING }
  }

  /** Objects that no row knows: of a writer that died, or that landed late. */
  async #list(scope: TenantScope, from: string, signal: AbortSignal | undefined): Promise<ChoreStep> {
    const { objectStore, objectPrefix } = await this.#resources.resolve(scope)
    const cursor = from === '' ? undefined : objectPrefix + from
    let [listed, objects] = [0, 0]
    for await (const { key, size } of objectStore.list(`${objectPrefix}${tenantPrefix(scope)}/`, cursor)) {
      signal?.throwIfAborted()
      const objectKey = key.slice(objectPrefix.length)
      const owned = ownedObject(scope, objectKey)
      if (owned !== undefined && (await this.#check.object(scope, objectKey)) === undefined) {
        await this.#rows.insertDead(scope, { ...owned, objectKey, size }, this.#now())
        objects++
      }
      if (++listed >= LISTED_MAX) return { counts: { objects }, resume: LISTING + objectKey }
    }
    return { counts: { objects }, resume: null }
  }

  #now(): Date {
    return new Date(this.#clock.now())
  }
}
