/** Preconditions of a write [CON-6]. */
export interface WriteOptions {
  /** Only where the head still is this version. */
  readonly ifMatch?: string
  /** Only where nothing exists yet. */
  readonly createOnly?: boolean
  /** Make missing directories. */
  readonly parents?: boolean
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
}

/** What can be written. */
export type WriteBody = string | Uint8Array | ReadableStream<Uint8Array>
