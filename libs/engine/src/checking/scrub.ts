import { setTimeout as delay } from 'node:timers/promises'
import type { TenantScope } from '@agentfs/access'
import { CheckStore } from '@agentfs/storage'
import { type FollowerOptions, SYSTEM_CLOCK } from '../followers/follower-options.js'
import type { Chore, ChoreRequest, ChoreStep } from '../maintenance/chore.js'
import type { Clock, EngineLog } from '../ports.js'
import { ObjectCheck } from './object-check.js'

/** How the scrub goes about it. */
export interface ScrubOptions extends FollowerOptions {
  readonly log?: EngineLog
  /** Told how many damaged objects this process knows of, whenever that changes. */
  readonly onDamaged?: (objects: number) => void
  /** An object is read back again after this long; 30 days unless told. */
  readonly againMs?: number
  /** What one step reads at most, an object more or less; 32 MiB unless told. */
  readonly stepBytesMax?: number
  /** How fast it reads at most; 8 MiB a second unless told, 0 for as fast as may be. */
  readonly bytesPerSecond?: number
}

const MIB = 1024 ** 2
const DAY_MS = 24 * 3_600_000
/** Steps of one tenant in one round: 256 MiB, then the others had their turns as often. */
const STEPS_MAX = 8
const OBJECTS_MAX = 200

/**
 * Reads every object back now and then, the longest unread first, a little in each step: rot is found while there are still
 * copies to mend it with. A damaged object is named in the log and keeps its place at the head of the queue, so that every
 * round says so again until it is mended.
 */
export class ScrubChore implements Chore {
  readonly name = 'scrub'
  readonly counted = ['objects', 'bytes', 'damaged']
  readonly #store: CheckStore
  readonly #objects: ObjectCheck
  readonly #clock: Clock
  readonly #options: ScrubOptions
  readonly #damaged = new Set<string>()

  constructor(options: ScrubOptions) {
    this.#store = new CheckStore(options.database)
    this.#objects = new ObjectCheck(options.database, options.resources)
    this.#clock = options.clock ?? SYSTEM_CLOCK
    this.#options = options
  }

  /** Bytes of some objects that are due; `resume` counts the steps of this round. */
  async step(scope: TenantScope, { dryRun, resume, signal }: ChoreRequest): Promise<ChoreStep> {
    const { againMs = 30 * DAY_MS, stepBytesMax = 32 * MIB, bytesPerSecond = 8 * MIB } = this.#options
    const due = await this.#store.leastChecked(scope, new Date(this.#clock.now() - againMs), OBJECTS_MAX)
    if (dryRun) return { counts: { objectsDue: due.length }, resume: null }
    const counts = { objects: 0, bytes: 0, damaged: 0 }
    for (const object of due) {
      if (signal?.aborted === true || counts.bytes >= stepBytesMax) break
      const { bytes, problems } = await this.#objects.check(scope, object)
      const { objectId, objectKey } = object
      const [problem] = problems
      if (problem === undefined) {
        await this.#store.markChecked(scope, objectId, new Date(this.#clock.now()))
        this.#mended(objectId)
      } else {
        counts.damaged++
        this.#found(objectId)
        this.#options.log?.error('a stored object is damaged: restore it from a copy, then run fsck', {
          tenant: scope.tenantId,
          object: objectKey,
          problem: problem.problem,
        })
      }
      counts.objects++
      counts.bytes += bytes
      if (bytesPerSecond > 0) await delay((bytes / bytesPerSecond) * 1_000)
    }
    const steps = Number(resume ?? 0) + 1
    const more = counts.bytes >= stepBytesMax && steps < STEPS_MAX
    return { counts, resume: more ? String(steps) : null }
  }

  #found(objectId: string): void {
    this.#damaged.add(objectId)
    this.#options.onDamaged?.(this.#damaged.size)
  }

  #mended(objectId: string): void {
    if (this.#damaged.delete(objectId)) this.#options.onDamaged?.(this.#damaged.size)
  }
}
