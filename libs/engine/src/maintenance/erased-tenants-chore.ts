import type { TenantScope } from '@agentfs/access'
import { CheckStore, ErasedTenantsStore, ObjectRowsStore } from '@agentfs/storage'
import { ownedObject } from '../checking/owned-object.js'
import { type FollowerOptions, SYSTEM_CLOCK } from '../followers/follower-options.js'
import { KeyLedger } from '../followers/key-ledger.js'
import { tenantPrefix } from '../followers/object-keys.js'
import { MirrorTargets } from '../mirror/mirror-targets.js'
import type { Clock, TenantResources } from '../ports.js'
import type { Chore, ChoreRequest, ChoreStep } from './chore.js'

const ROWS = 5_000
const OBJECTS = 1_000
const LISTED_MAX = 5_000
const DELETED_AT_ONCE = 8
/** Where a tenant's rows are done and its part of the bucket is looked through. */
const LISTING = 'list:'
/** Where that is done too, and mirrors are looked for. */
const DOCUMENTS = 'documents'

/** What the erasure of tenants is finished with. */
export interface ErasedTenantsOptions extends FollowerOptions {
  /** Where mirrors may stand; the tenant's own store alone unless told. */
  readonly mirrorTargets?: MirrorTargets
}

/**
 * Deletes what is left of erased tenants: rows at once, objects by giving each a `dead` row, so that the collector deletes
 * them after the grace time, documents of mirrors that no row knows at once, for they are plaintext. What stays is the tombstone, in the database and in the ledger, and the checkpoints of the log,
 * which hold hashes and numbers alone.
 */
export class ErasedTenantsChore implements Chore {
  readonly name = 'erased-tenants'
  readonly counted = ['objects', 'rows', 'mirrorsLeft', 'documents']
  readonly #erased: ErasedTenantsStore
  readonly #check: CheckStore
  readonly #rows: ObjectRowsStore
  readonly #ledger: KeyLedger
  readonly #resources: TenantResources
  readonly #mirrors: MirrorTargets
  readonly #clock: Clock

  constructor(options: ErasedTenantsOptions) {
    const { database, resources, clock = SYSTEM_CLOCK } = options
    this.#erased = new ErasedTenantsStore(database)
    this.#check = new CheckStore(database)
    this.#rows = new ObjectRowsStore(database)
    this.#ledger = new KeyLedger(options)
    this.#resources = resources
    this.#mirrors = options.mirrorTargets ?? new MirrorTargets(resources)
    this.#clock = clock
  }

  /** Some rows or some objects of an erased tenant; nothing of any other. */
  async step(scope: TenantScope, { dryRun, resume, signal }: ChoreRequest): Promise<ChoreStep> {
    if ((await this.#erased.tombstone(scope)) === undefined)
      return { counts: {}, resume: null, passedOver: true }
    if (dryRun) return { counts: { tenantsErased: 1 }, resume: null }
    if (resume?.startsWith(LISTING) === true) return this.#list(scope, resume.slice(LISTING.length), signal)
    if (resume === DOCUMENTS) return this.#deleteDocuments(scope, signal)
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

  /** Some documents of mirrors: of a database that was lost before they were gone, no row tells of them any more. */
  async #deleteDocuments(scope: TenantScope, signal: AbortSignal | undefined): Promise<ChoreStep> {
    let documents = 0
    // What rows tell of is the mirror's own to delete.
    if (await this.#erased.hasMirrors(scope)) return { counts: { documents }, resume: null }
    for (const { store, prefix } of await this.#mirrors.ofTenant(scope)) {
      const keys: string[] = []
      for await (const { key } of store.list(prefix)) {
        keys.push(key)
        if (documents + keys.length >= OBJECTS) break
      }
      for (let from = 0; from < keys.length; from += DELETED_AT_ONCE) {
        signal?.throwIfAborted()
        await Promise.all(keys.slice(from, from + DELETED_AT_ONCE).map((key) => store.delete(key)))
      }
      documents += keys.length
    }
    return { counts: { documents }, resume: documents < OBJECTS ? null : DOCUMENTS }
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
    return { counts: { objects }, resume: DOCUMENTS }
  }

  #now(): Date {
    return new Date(this.#clock.now())
  }
}
