import type { Caller } from '../caller.js'

/** An answer kept for a repeated request. */
export interface KeptAnswer {
  readonly status: number
  readonly body: unknown
}

/** `Idempotency-Key` on POST: kept for 24 h, per principal. */
export interface IdempotencyApi {
  /**
   * Claims a key for a request whose canonical digest is `digest` (32 bytes). `fresh`: carry the request out and `finish` it.
   * `kept`: give this answer. Throws `unprocessable` where the key was used for another request, `rate_limited` with
   * `retryAfterSeconds` where the first one is still under way.
   */
  begin(
    caller: Caller,
    key: string,
    digest: Uint8Array,
  ): Promise<{ readonly kind: 'fresh' } | { readonly kind: 'kept'; readonly answer: KeptAnswer }>
  /** Keeps the answer, sealed. */
  finish(caller: Caller, key: string, answer: KeptAnswer): Promise<void>
  /** Lets go of a claim whose request failed in a way worth repeating. */
  abandon(caller: Caller, key: string): Promise<void>
}
