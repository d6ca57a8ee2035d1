import type { TenantScope } from '@agentfs/access'
import { isAgentfsError } from '@agentfs/contracts'
import { CheckStore, ObjectRowsStore, openSegmentIndex } from '@agentfs/storage'
import { type OwnedObject, ownedObject } from '../checking/owned-object.js'
import { type FollowerOptions, SYSTEM_CLOCK } from '../followers/follower-options.js'
import { tenantPrefix } from '../followers/object-keys.js'
import type { Clock, TenantResources } from '../ports.js'
import type { Chore, ChoreRequest, ChoreStep } from './chore.js'

const DAY_MS = 24 * 3_600_000
/** Objects listed in one step. */
const LISTED_MAX = 5_000
/**
 * Age by its id from which an object without a row is an orphan: longer than any database backup that may come back, for to
 * such a database newer objects are unknown, not needless. The ledger's go sooner, that no erased key outlasts 30 days.
 */
const ORPHAN_MS = {
  segment: 30 * DAY_MS,
  part: 30 * DAY_MS,
  prefixes: 30 * DAY_MS,
  tree: 30 * DAY_MS,
  keys: 16 * DAY_MS,
} as const

/**
 * Finds objects that no row knows, such as a PUT leaves that lands after its row was forgotten, and gives each a `dead` row:
 * the collector deletes them after the grace time as everything else. Touches nothing that is not named as ours, and no
 * segment beyond what its stream has stored.
 */
export class OrphansChore implements Chore {
  readonly name = 'orphans'
  readonly counted = ['listed', 'orphans', 'orphanBytes']
  readonly #check: CheckStore
  readonly #rows: ObjectRowsStore
  readonly #resources: TenantResources
  readonly #clock: Clock

  constructor({ database, resources, clock = SYSTEM_CLOCK }: FollowerOptions) {
    this.#check = new CheckStore(database)
    this.#rows = new ObjectRowsStore(database)
    this.#resources = resources
    this.#clock = clock
  }

  /** Some of the tenant's part of the bucket; `resume` is the last key that was looked at. */
  async step(scope: TenantScope, { dryRun, resume, signal }: ChoreRequest): Promise<ChoreStep> {
    const { objectStore, objectPrefix } = await this.#resources.resolve(scope)
    const cursor = resume === null ? undefined : objectPrefix + resume
    const counts = { listed: 0, orphans: 0, orphanBytes: 0 }
    let last: string | null = null
    for await (const { key, size } of objectStore.list(`${objectPrefix}${tenantPrefix(scope)}/`, cursor)) {
      signal?.throwIfAborted()
      const objectKey = key.slice(objectPrefix.length)
      counts.listed++
      last = objectKey
      const orphan = ownedObject(scope, objectKey)
      if (orphan !== undefined && (await this.#isOrphan(scope, objectKey, size, orphan))) {
        counts.orphans++
        counts.orphanBytes += size
        if (!dryRun) {
          await this.#rows.insertDead(scope, { ...orphan, objectKey, size }, new Date(this.#clock.now()))
        }
      }
      if (counts.listed >= LISTED_MAX) return { counts, resume: last }
    }
    return { counts, resume: null }
  }

  async #isOrphan(
    scope: TenantScope,
    objectKey: string,
    size: number,
    { kind, createdAtMs }: OwnedObject,
  ): Promise<boolean> {
    if (createdAtMs > this.#clock.now() - ORPHAN_MS[kind]) return false
    if ((await this.#check.object(scope, objectKey)) !== undefined) return false
    return kind !== 'segment' || this.#isBehind(scope, objectKey, size)
  }

  /** True where its stream has stored more than a segment holds; what cannot be read is left for an operator to judge. */
  async #isBehind(scope: TenantScope, objectKey: string, size: number): Promise<boolean> {
    const { objectStore, objectPrefix } = await this.#resources.resolve(scope)
    try {
      const readRange = (offset: number, length: number) =>
        objectStore.getRange(objectPrefix + objectKey, offset, length)
      const { header } = await openSegmentIndex(readRange, size, objectKey)
      const streams = await this.#check.streams(scope, null)
      const stream = streams.find(({ streamId }) => streamId === header.streamId)
      if (stream === undefined) return false
      const { storedEpoch, storedSeq } = stream
      return header.epoch < storedEpoch || (header.epoch === storedEpoch && header.lastSeq <= storedSeq)
    } catch (error) {
      if (isAgentfsError(error, 'object_corrupt') || isAgentfsError(error, 'not_found')) return false
      throw error
    }
  }
}
