/** Options of one call. */
export interface ObjectCallOptions {
  /** Aborts the call, which then throws the signal's reason; a write may have happened all the same. */
  readonly signal?: AbortSignal
}

/** What a conditional create found: it made the object, or a whole object stood there already. */
export type CreateOutcome = 'created' | 'exists'

/** One object of a listing. */
export interface ObjectListing {
  readonly key: string
  readonly size: number
}

/** Where a store keeps its objects, fit for logs: it never holds credentials. */
export interface ObjectStoreDescription {
  readonly kind: 'filesystem' | 's3'
  readonly location: string
}

/**
 * A flat map from keys to immutable byte strings: the bulk store.
 *
 * Keys are `/`-separated, see `assertObjectKey`; no key may be a folder of another (`a` and `a/b`).
 *
 * Errors, of every method, are AgentfsErrors whose `object` names the key:
 * - `not_found`: the object is missing (get, getRange).
 * - `object_corrupt`: the object is shorter than the caller knows it to be (getRange).
 * - `unavailable`, with `retryAfterSeconds`: anything that may pass: no connection, time out, 5xx, throttling, a full disk.
 * - `internal`: anything that waits for an operator: refused credentials, a missing bucket. Retrying does no harm.
 * - `invalid_path`: the key is not one.
 *
 * Atomicity: an object appears whole or not at all, to every reader, whatever dies during the write.
 * Durability: an answered write survives power loss, as far as the medium keeps its promise. So does what a
 * conditional create answers `exists` for.
 * Ordering: after a write is answered, every later get, head and list by anyone sees it (read after write). Calls
 * that overlap are not ordered.
 */
export interface ObjectStore {
  /**
   * Creates the object if no object of that key exists; of any number of racing callers exactly one gets `created`.
   * Retry: safe. A retry whose first attempt landed unheard answers `exists`, and so may a single call that was
   * retried inside the adapter: whoever must know whose bytes stand there compares (`createOrConfirm` does).
   */
  putIfAbsent(key: string, body: Uint8Array, options?: ObjectCallOptions): Promise<CreateOutcome>

  /**
   * Creates or replaces the object. Retry: safe. Two overlapping puts leave one of both bodies, whole; a put whose
   * answer was lost may still land after a later one, so one writer at a time must own a key it overwrites.
   */
  put(key: string, body: Uint8Array, options?: ObjectCallOptions): Promise<void>

  /** The whole object. Retry: safe. */
  get(key: string, options?: ObjectCallOptions): Promise<Uint8Array>

  /**
   * Exactly `length` bytes from offset `from`; a range that reaches past the end is `object_corrupt`, never a short
   * answer. Retry: safe.
   */
  getRange(key: string, from: number, length: number, options?: ObjectCallOptions): Promise<Uint8Array>

  /** The object's size, or null where there is none. Retry: safe. */
  head(key: string, options?: ObjectCallOptions): Promise<{ readonly size: number } | null>

  /**
   * All objects whose key starts with `prefix`, ascending by the key's UTF-8 bytes, from the first key after `cursor`.
   * Not a snapshot: objects written or deleted meanwhile may or may not show. Fetched page by page as it is consumed;
   * resume after an error with the last key as the cursor.
   */
  list(prefix: string, cursor?: string, options?: ObjectCallOptions): AsyncIterable<ObjectListing>

  /** Deletes the object; deleting what is not there is fine. Retry: safe. */
  delete(key: string, options?: ObjectCallOptions): Promise<void>

  /** Asks the store one cheap question, to learn at boot or for readiness that it answers and takes our credentials. */
  probe(options?: ObjectCallOptions): Promise<void>

  /** What and where the store is, for logs and `doctor`. */
  describe(): ObjectStoreDescription

  /** Lets go of connections; calls under way may fail. */
  close(): Promise<void>
}
