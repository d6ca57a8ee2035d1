import { AgentfsError, isAgentfsError } from '@agentfs/contracts'

/** Calls that fail one after the other, with none that succeeds between, until a store counts as away. */
const FAILURES_MAX = 2
const PAUSE_MS_MIN = 1_000
const PAUSE_MS_MAX = 30_000
/** A store may ask for longer than our own pauses, up to here. */
const ASKED_PAUSE_MS_MAX = 60_000
/** No limit is longer, however large the body: timers count to 24 days, and nobody waits that long. */
const LIMIT_MS_MAX = 10 * 60_000
/**
 * How long the call has that tries whether a store is back, for all but the bytes of its body, and how long those who come
 * meanwhile wait for it.
 */
const TRIAL_MS = 2_000

/** `closed`: calls pass. `open`: they are refused at once. `trying`: the pause is over, and one call tries. */
export type CircuitState = 'closed' | 'open' | 'trying'

/** A circuit as it is now, and what it did since it was made. */
export interface CircuitReport {
  readonly state: CircuitState
  /** How often the store was found to be away. */
  readonly openings: number
  /** Calls that were refused without asking the store. */
  readonly refusals: number
}

/** What a circuit goes by. */
export interface CircuitOptions {
  readonly nowMs?: () => number
  /** From 0 to 1; spreads the pauses of many processes. */
  readonly random?: () => number
}

/** A call that is to be bounded. */
export interface CircuitCall<T> {
  /** Names the object in errors. */
  readonly object: string
  /** Longer than this means that the store hangs, unless another call succeeded meanwhile. */
  readonly limitMs: number
  /** How much of that is for the bytes of its body; 0 where absent. */
  readonly bodyMs?: number
  readonly signal: AbortSignal | undefined
  readonly work: (signal: AbortSignal) => Promise<T>
}

/**
 * Keeps callers from waiting for a store that is known to be away, and such a store from being asked by everybody at once.
 * Calls that throw `unavailable`, or take longer than they may, open it: calls under way end, and others are refused with the
 * time after which to come again. After a pause, twice as long each time, one call tries, and its success lets all through.
 * Any other answer, an object that is missing or a refusal too, is one: the store is there.
 */
export class Circuit {
  readonly #nowMs: () => number
  readonly #random: () => number
  readonly #underWay = new Set<(reason: AgentfsError) => void>()
  #failures = 0
  #pauseMs = 0
  #openUntilMs = 0
  #lastGoodMs = Number.NEGATIVE_INFINITY
  #trial: Promise<void> | undefined
  #openings = 0
  #refusals = 0

  constructor({ nowMs = () => Date.now(), random = () => Math.random() }: CircuitOptions = {}) {
    this.#nowMs = nowMs
    this.#random = random
  }

  get report(): CircuitReport {
    const state = this.#pauseMs === 0 ? 'closed' : this.#nowMs() < this.#openUntilMs ? 'open' : 'trying'
    return { state, openings: this.#openings, refusals: this.#refusals }
  }

  /** Throws what a call would be refused with now; takes nobody's turn to try. */
  assertPassable(object: string): void {
    if (this.report.state === 'open') throw this.#refused(object)
  }

  /** Makes a call. Throws what it throws, `unavailable` where it is refused or cut off, the reason of the caller's signal. */
  async run<T>(call: CircuitCall<T>): Promise<T> {
    for (;;) {
      call.signal?.throwIfAborted()
      if (this.#pauseMs === 0) return this.#attempt(call, call.limitMs)
      this.assertPassable(call.object)
      if (this.#trial === undefined) return this.#try(call)
      if (!(await endsWithin(this.#trial, TRIAL_MS))) throw this.#refused(call.object)
    }
  }

  /** The one call that tries; others wait a while for how it ends. */
  async #try<T>(call: CircuitCall<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#trial = promise
    try {
      return await this.#attempt(call, Math.min(TRIAL_MS + (call.bodyMs ?? 0), call.limitMs))
    } finally {
      this.#trial = undefined
      resolve()
    }
  }

  async #attempt<T>({ object, signal, work }: CircuitCall<T>, limitMs: number): Promise<T> {
    const startedAtMs = this.#nowMs()
    const cut = new AbortController()
    const { promise: ended, reject } = Promise.withResolvers<never>()
    const end = (reason: unknown): void => {
      reject(reason)
      cut.abort(reason)
    }
    const leave = (): void => end(signal?.reason)
    const hangs = setTimeout(() => end(this.#hung(object, startedAtMs)), Math.min(limitMs, LIMIT_MS_MAX))
    signal?.addEventListener('abort', leave, { once: true })
    this.#underWay.add(end)
    try {
      // Raced, for not everything that hangs hears a signal.
      const result = await Promise.race([work(cut.signal), ended])
      this.#succeeded()
      return result
    } catch (error) {
      if (!cut.signal.aborted) this.#judge(object, error)
      throw error
    } finally {
      clearTimeout(hangs)
      signal?.removeEventListener('abort', leave)
      this.#underWay.delete(end)
    }
  }

  #judge(object: string, error: unknown): void {
    if (!isAgentfsError(error, 'unavailable')) {
      this.#succeeded()
      return
    }
    this.#failures++
    // One that tried has tried for all.
    if (this.#failures >= FAILURES_MAX || this.#pauseMs > 0)
      this.#open(object, error.details['retryAfterSeconds'])
  }

  #hung(object: string, startedAtMs: number): AgentfsError {
    // Others were answered meanwhile: this one call is slow, and the store is there.
    if (this.#lastGoodMs < startedAtMs) this.#open(object, undefined)
    return storeAway(object, Math.max(1, Math.ceil((this.#openUntilMs - this.#nowMs()) / 1_000)))
  }

  #succeeded(): void {
    this.#lastGoodMs = this.#nowMs()
    this.#failures = 0
    this.#pauseMs = 0
  }

  #open(object: string, askedSeconds: unknown): void {
    if (this.report.state === 'open') return
    const asked = typeof askedSeconds === 'number' ? askedSeconds * 1_000 : 0
    this.#pauseMs = Math.min(Math.max(this.#pauseMs * 2, PAUSE_MS_MIN), PAUSE_MS_MAX)
    const pauseMs = Math.max(this.#pauseMs * (1 + this.#random() / 4), Math.min(asked, ASKED_PAUSE_MS_MAX))
    this.#openUntilMs = this.#nowMs() + pauseMs
    this.#openings++
    const reason = storeAway(object, Math.ceil(pauseMs / 1_000))
    for (const end of this.#underWay) end(reason)
  }

  #refused(object: string): AgentfsError {
    this.#refusals++
    return storeAway(object, Math.max(1, Math.ceil((this.#openUntilMs - this.#nowMs()) / 1_000)))
  }
}

async function endsWithin(work: Promise<void>, ms: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => resolve(false), ms)
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}

function storeAway(object: string, retryAfterSeconds: number): AgentfsError {
  const detail = 'the object store is away; it is asked again before long'
  return new AgentfsError('unavailable', { object, detail, retryAfterSeconds })
}
