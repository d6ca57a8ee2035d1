import { PUSH_BYTES_MAX, type PushAnswer } from '@agentfs/contracts'
import type { SyncRoutes } from '@agentfs/sdk'
import type { FrozenPush, SettleOutcome } from '../store/engine-store.js'
import { isStoreError } from '../store/store-error.js'
import type { Invalidation, RejectedItem } from '../store/store-types.js'
import type { AsyncStore } from './async-store.js'
import { backoffMs, pause } from './backoff.js'
import { classifyFailure, type Failure } from './failures.js'
import { uploadParts } from './upload-parts.js'

/** How pushes are formed and tried. */
export interface PusherOptions {
  readonly store: AsyncStore
  readonly routes: SyncRoutes
  /** Milliseconds without a new entry after which a push is formed. */
  readonly quietMs: number
  /** Milliseconds after which it is formed although entries keep coming. */
  readonly quietMaxMs: number
  readonly random: () => number
  readonly onInvalidate: (invalidations: readonly Invalidation[]) => void
  readonly onRejected: (items: readonly RejectedItem[]) => void
  /** The push met something that is not its own to mend. */
  readonly onFailure: (failure: Failure) => void
  readonly onReached: () => void
  /** Folds the stream up to a seq; the answer of a push needs what came before it. */
  readonly catchUpTo: (through: number) => Promise<void>
  readonly snapshot: () => Promise<unknown>
  /** A push was answered and settled, or given up; `crowded` where the store waits for the service to store something. */
  readonly afterPush: (crowded: boolean) => Promise<void>
}

// Bytes: room for the envelope around the operations. Operations: forming a push blocks the filesystem thread (measured:
// 72 ms for 500 files), so a push stays well below what the service would take.
const LIMITS = { operationsMax: 300, bytesMax: PUSH_BYTES_MAX - 65_536 }
const MAINTAIN_EVERY_MS = 10_000

/** Sends the journal: one push in flight, resent unchanged until it is answered [SY-8, SY-14, SY-15]. */
export class Pusher {
  readonly #options: PusherOptions
  readonly #stop = new AbortController()
  #wake: (() => void) | undefined
  #hurry = false
  #dirty = true
  #lastDirtyMs = 0
  /** When the next push is formed at the latest. */
  #formByMs = 0
  #paused = true
  #maintainedMs = 0
  #backingOff = false
  #running: Promise<void> | undefined

  constructor(options: PusherOptions) {
    this.#options = options
  }

  /** Starts the loop; it sends nothing until `resume`. */
  start(): void {
    this.#running = this.#loop()
  }

  /** Something was journaled. */
  notice(): void {
    const now = performance.now()
    if (!this.#dirty) this.#formByMs = now + this.#options.quietMaxMs
    this.#dirty = true
    this.#lastDirtyMs = now
    if (!this.#backingOff) this.#wake?.()
  }

  /** Push what there is at once. */
  hurry(): void {
    this.#hurry = true
    this.#dirty = true
    this.#wake?.()
  }

  /** The service can be reached. */
  resume(): void {
    this.#paused = false
    this.#wake?.()
  }

  /** The service cannot be reached, or must not be. */
  pause(): void {
    this.#paused = true
  }

  /** Ends the loop. A push in flight stays frozen in the store. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#wake?.()
    await this.#running
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stop
    let failures = 0
    while (!signal.aborted) {
      if (this.#paused || !this.#dirty) {
        await this.#sleep(Number.POSITIVE_INFINITY)
        continue
      }
      const waitMs = this.#hurry ? 0 : this.#quietLeftMs()
      if (waitMs > 0) {
        await this.#sleep(waitMs)
        continue
      }
      this.#dirty = false
      this.#hurry = false
      try {
        const push = await this.#options.store.freezePush(LIMITS)
        if (push === null) {
          await this.#maintain()
          continue
        }
        const answer = await this.#exchange(push)
        await this.#settle(() => this.#options.store.settlePush(answer))
        failures = 0
        this.#dirty = true
        // What came meanwhile has waited for the answer already; but a save that is under way should not be cut in two, which
        // readers elsewhere would see as an empty file.
        this.#formByMs = performance.now() + 2 * this.#options.quietMs
      } catch (error) {
        this.#dirty = true
        failures++
        await this.#afterFailure(error, failures)
      }
    }
  }

  /** Mends what can be mended, or waits; what fails on the way waits too, for this loop must not end. */
  async #afterFailure(error: unknown, failures: number): Promise<void> {
    const failure = error instanceof RefusedPush ? error.failure : passingUnlessKnown(classifyFailure(error))
    try {
      if (isStoreError(error, 'store_unreadable') && (await this.#rejectTorn())) return
      if (failure.kind !== 'passing') {
        await this.#recover(failure)
        return
      }
      this.#options.onFailure(failure)
    } catch (again) {
      this.#options.onFailure(passingUnlessKnown(classifyFailure(again)))
    }
    const options = { firstMs: 100, mostMs: 30_000, random: this.#options.random }
    const afterMs = failure.kind === 'passing' ? failure.afterMs : null
    await this.#backOff(afterMs ?? backoffMs(failures, options))
  }

  /** Nothing waits: time for the store's own housekeeping. */
  async #maintain(): Promise<void> {
    const now = performance.now()
    if (now - this.#maintainedMs < MAINTAIN_EVERY_MS) return
    this.#maintainedMs = now
    await this.#options.store.maintain()
  }

  async #recover(failure: Exclude<Failure, { kind: 'passing' }>): Promise<void> {
    const { store } = this.#options
    switch (failure.kind) {
      case 'resnapshot':
        await this.#options.snapshot()
        return
      case 'forked':
        await store.fork()
        return
      case 'refused':
      case 'outdated':
        this.#paused = true
        this.#options.onFailure(failure)
        return
      case 'final':
        await this.#settle(() => store.rejectPush(failure.code, failure.message))
    }
  }

  /** Sends parts and push; throws `RefusedPush` where the service refuses it for good. */
  async #exchange(push: FrozenPush): Promise<PushAnswer> {
    const { store, routes } = this.#options
    const { signal } = this.#stop
    await uploadParts({ store, routes, signal }, push).catch(refuse)
    const address = await store.address()
    const answer = await routes.push(push.bytes, address?.epoch ?? 0, signal).catch(refuse)
    this.#options.onReached()
    return answer
  }

  /** True where what has lost its bytes is out of the way: the rest goes on [DUR-7]. */
  async #rejectTorn(): Promise<boolean> {
    let any = false
    await this.#settle(async () => {
      const outcome = await this.#options.store.rejectTorn()
      any ||= outcome !== null
      return outcome
    })
    return any
  }

  /** Settles once nothing is missing for it any more; nothing where there is nothing to settle. */
  async #settle(settle: () => Promise<SettleOutcome | null>): Promise<void> {
    for (;;) {
      const outcome = await settle()
      if (outcome === null) return
      if (outcome.kind === 'settled') {
        if (outcome.invalidations.length > 0) this.#options.onInvalidate(outcome.invalidations)
        if (outcome.rejected.length > 0) this.#options.onRejected(outcome.rejected)
        await this.#options.afterPush(outcome.crowded)
        return
      }
      await this.#options.catchUpTo(outcome.through)
    }
  }

  #quietLeftMs(): number {
    const now = performance.now()
    const quiet = this.#lastDirtyMs + this.#options.quietMs - now
    return Math.min(quiet, this.#formByMs - now)
  }

  /** Waits after a failure: what is journaled meanwhile waits too, only `resume` and `hurry` end it early. */
  async #backOff(ms: number): Promise<void> {
    this.#backingOff = true
    await this.#sleep(ms)
    this.#backingOff = false
  }

  /** Sleeps until the time is over, something is journaled, or the engine closes. */
  async #sleep(ms: number): Promise<void> {
    const wakeUp = new AbortController()
    this.#wake = () => wakeUp.abort()
    const signal = AbortSignal.any([wakeUp.signal, this.#stop.signal])
    await pause(Math.min(ms, 2 ** 30), signal)
    this.#wake = undefined
  }
}

/** The service's own word that it will never take this push: the one reason to give it up [DUR-5]. */
class RefusedPush extends Error {
  constructor(
    readonly failure: Extract<Failure, { kind: 'final' }>,
    cause: unknown,
  ) {
    super(failure.message, { cause })
  }
}

function refuse(error: unknown): never {
  const failure = classifyFailure(error)
  throw failure.kind === 'final' ? new RefusedPush(failure, error) : error
}

/** A failure beside the push itself (a page of changes, the store's disk) says nothing about the push: it is sent again. */
function passingUnlessKnown(failure: Failure): Exclude<Failure, { kind: 'final' }> {
  return failure.kind === 'final' ? { kind: 'passing', unreachable: false, afterMs: null } : failure
}
