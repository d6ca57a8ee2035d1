import { AgentfsError } from '@agentfs/contracts'
import { type RateLimit, TokenBuckets } from './token-bucket.js'

/** What may be asked for in what time; per process. */
export interface RateLimits {
  /** Everything one credential does. */
  readonly credential: RateLimit
  /** What one address does without a credential. */
  readonly address: RateLimit
  /** Credentials that one address presents and that do not hold. */
  readonly refusedCredential: RateLimit
  /** Sign-ups and sign-ins of one address: each costs a password hash. */
  readonly password: RateLimit
  /** Sign-ins of one address to one account. */
  readonly guess: RateLimit
  /** Sign-ins to one account from anywhere; wide, so that a stranger's guessing hardly keeps its owner out. */
  readonly account: RateLimit
}

/** Generous for work, strict for guessing. */
export const RATE_LIMITS: RateLimits = {
  credential: { burst: 20_000, perSecond: 5_000 },
  address: { burst: 600, perSecond: 60 },
  refusedCredential: { burst: 60, perSecond: 1 },
  password: { burst: 100, perSecond: 1 },
  guess: { burst: 10, perSecond: 0.1 },
  account: { burst: 100, perSecond: 1 },
}

/** What is limited. */
export type RateLimitKind = keyof RateLimits

/** The limits of one process. */
export class RateLimiter {
  readonly #buckets: Readonly<Record<RateLimitKind, TokenBuckets>>

  constructor(limits: RateLimits) {
    this.#buckets = {
      credential: new TokenBuckets(limits.credential),
      address: new TokenBuckets(limits.address),
      refusedCredential: new TokenBuckets(limits.refusedCredential),
      password: new TokenBuckets(limits.password),
      guess: new TokenBuckets(limits.guess),
      account: new TokenBuckets(limits.account),
    }
  }

  /** Takes one; `rate_limited` with the time to wait where there is none. */
  take(kind: RateLimitKind, key: string): void {
    this.#refuse(this.#buckets[kind].take(key, performance.now()))
  }

  /** Refuses where none is left, without taking one. */
  check(kind: RateLimitKind, key: string): void {
    this.#refuse(this.#buckets[kind].peek(key, performance.now()))
  }

  #refuse(seconds: number): void {
    if (seconds > 0) throw new AgentfsError('rate_limited', { retryAfterSeconds: Math.ceil(seconds) })
  }
}
