import type { TenantScope } from '@agentfs/access'
import { AbandonedUploadsStore, ObjectRowsStore } from '@agentfs/storage'
import type { EngineLog } from '../ports.js'
import { type FollowerOptions, SYSTEM_CLOCK } from './follower-options.js'
import { KeyLedger } from './key-ledger.js'
import { TenantObjects } from './tenant-objects.js'

const HOUR_MS = 60 * 60 * 1000
const DAY_MS = 24 * HOUR_MS
/** However steadily parts of a file come: so many times as long, a month, and the first are given up. */
const UPLOAD_TIMES_MAX = 30
const BATCH = 500
const DELETED_AT_ONCE = 8

/** What the collector works on, and how patient it is. */
export interface CollectorOptions extends FollowerOptions {
  /** Age from which a `writing` object has lost its writer; 1 h unless told. */
  readonly writingMsMax?: number
  /** For how long no part of a file came, that no push named, when all of them are given up; 24 h unless told. */
  readonly uploadMsMax?: number
  /** How long a dead object is kept: at least as long as a database backup that may be restored; 7 days unless told. */
  readonly deadMs?: number
  readonly log?: EngineLog
}

/** What a collection did. */
export interface Collected {
  readonly givenUp: number
  readonly uploadsDropped: number
  readonly deleted: number
  /** Objects that the store does not let go. */
  readonly undeleted: number
  readonly ledgersRewritten: number
}

/** Deletes what nothing points at, after a grace time, and never an object without a `dead` row. */
export class Collector {
  readonly #rows: ObjectRowsStore
  readonly #uploads: AbandonedUploadsStore
  readonly #objects: TenantObjects
  readonly #ledger: KeyLedger
  readonly #writingMsMax: number
  readonly #uploadMsMax: number
  readonly #deadMs: number
  readonly #now: () => Date
  readonly #log: EngineLog | undefined

  constructor(options: CollectorOptions) {
    const { clock = SYSTEM_CLOCK } = options
    this.#rows = new ObjectRowsStore(options.database)
    this.#uploads = new AbandonedUploadsStore(options.database)
    this.#objects = new TenantObjects(options.resources)
    this.#ledger = new KeyLedger(options)
    this.#writingMsMax = options.writingMsMax ?? HOUR_MS
    this.#uploadMsMax = options.uploadMsMax ?? DAY_MS
    this.#deadMs = options.deadMs ?? 7 * DAY_MS
    this.#now = () => new Date(clock.now())
    this.#log = options.log
  }

  /**
   * Collects one tenant; deletes so many objects at most, in batches of 500. Idempotent; a crash at any point leaves work for
   * the next time and nothing else. One object that cannot be deleted keeps no other from it; throws what the store says where
   * it deletes nothing at all.
   */
  async collectObjects(
    scope: TenantScope,
    { deletedMax = Infinity, signal }: { readonly deletedMax?: number; readonly signal?: AbortSignal } = {},
  ): Promise<Collected> {
    const now = this.#now()
    const before = (ageMs: number): Date => new Date(now.getTime() - ageMs)
    const uploads = {
      quietSince: before(this.#uploadMsMax),
      oldestSince: before(UPLOAD_TIMES_MAX * this.#uploadMsMax),
    }
    const givenUp = await this.#rows.giveUpAbandoned(scope, before(this.#writingMsMax), now)
    const uploadsDropped = await this.#uploads.drop(scope, uploads, now)
    const ledgersRewritten = await this.#ledger.rewrite(scope)
    const { deleted, undeleted } = await this.#deleteDead(scope, before(this.#deadMs), deletedMax, signal)
    // The row outlives the object by as long again, for whoever looks into what happened.
    await this.#rows.forgetGone(scope, before(2 * this.#deadMs))
    return { givenUp, uploadsDropped, deleted, undeleted, ledgersRewritten }
  }

  /** What is due for deletion now, and objects whose writers are gone; changes nothing. */
  async countDue(scope: TenantScope): Promise<Pick<Collected, 'givenUp' | 'deleted'>> {
    const nowMs = this.#now().getTime()
    return this.#rows.countDue(scope, new Date(nowMs - this.#writingMsMax), new Date(nowMs - this.#deadMs))
  }

  async #deleteDead(
    scope: TenantScope,
    deadBefore: Date,
    deletedMax: number,
    signal: AbortSignal | undefined,
  ): Promise<Pick<Collected, 'deleted' | 'undeleted'>> {
    let deleted = 0
    const left: string[] = []
    for (;;) {
      signal?.throwIfAborted()
      const limit = Math.min(BATCH, deletedMax - deleted)
      const dead = await this.#rows.deadSince(scope, deadBefore, limit, left)
      const keys = dead.map(({ objectKey }) => objectKey)
      const failures = await this.#objects.delete(scope, keys, DELETED_AT_ONCE)
      const gone = dead.filter(({ objectKey }) => !failures.has(objectKey))
      await this.#rows.markGone(
        scope,
        gone.map(({ objectId }) => objectId),
      )
      const [failure] = failures.values()
      if (dead.length > 0 && gone.length === 0) throw failure
      for (const { objectId, objectKey } of dead) {
        if (!failures.has(objectKey)) continue
        left.push(objectId)
        const facts = { tenant: scope.tenantId, object: objectKey, reason: String(failures.get(objectKey)) }
        this.#log?.error('a dead object could not be deleted', facts)
      }
      deleted += gone.length
      if (dead.length < limit || deleted >= deletedMax) return { deleted, undeleted: left.length }
    }
  }
}
