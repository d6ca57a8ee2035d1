/** A limit: `burst` at once, refilled at `perSecond`. */
export interface RateLimit {
  readonly burst: number
  readonly perSecond: number
}

interface Bucket {
  tokens: number
  atMs: number
}

/**
 * Token buckets by key. Idle keys are forgotten once full again, and at most `keysMax` are kept, so that a flood of
 * made-up keys cannot fill the memory: past that the oldest goes, which favours the caller, never refuses it.
 */
export class TokenBuckets {
  readonly #limit: RateLimit
  readonly #keysMax: number
  readonly #buckets = new Map<string, Bucket>()

  constructor(limit: RateLimit, keysMax = 50_000) {
    this.#limit = limit
    this.#keysMax = keysMax
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#buckets.size
  }

  /** Takes one token; 0 when it was there, else the seconds until one is. */
  take(key: string, nowMs: number): number {
    const bucket = this.#current(key, nowMs)
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1
      return 0
    }
    return (1 - bucket.tokens) / this.#limit.perSecond
  }

  /** The seconds until a token is there, without taking one. */
  peek(key: string, nowMs: number): number {
    const bucket = this.#buckets.get(key)
    if (bucket === undefined) return 0
    const tokens = this.#refilled(bucket, nowMs)
    return tokens >= 1 ? 0 : (1 - tokens) / this.#limit.perSecond
  }

  #current(key: string, nowMs: number): Bucket {
    const known = this.#buckets.get(key)
    if (known !== undefined) {
      known.tokens = this.#refilled(known, nowMs)
      known.atMs = nowMs
      return known
    }
    if (this.#buckets.size >= this.#keysMax) this.#forget(nowMs)
    const fresh = { tokens: this.#limit.burst, atMs: nowMs }
    this.#buckets.set(key, fresh)
    return fresh
  }

  #refilled(bucket: Bucket, nowMs: number): number {
    const gained = (Math.max(0, nowMs - bucket.atMs) / 1_000) * this.#limit.perSecond
    return Math.min(this.#limit.burst, bucket.tokens + gained)
  }

  #forget(nowMs: number): void {
    for (const [key, bucket] of this.#buckets) {
      if (this.#refilled(bucket, nowMs) >= this.#limit.burst) this.#buckets.delete(key)
    }
    // A tenth at once, so that a flood pays for the sweep above rarely.
    for (const key of this.#buckets.keys()) {
      if (this.#buckets.size <= this.#keysMax * 0.9) return
      this.#buckets.delete(key)
    }
  }
}
