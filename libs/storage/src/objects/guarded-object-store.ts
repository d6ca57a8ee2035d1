import { Circuit, type CircuitOptions, type CircuitReport } from './circuit.js'
import type {
  CreateOutcome,
  ObjectCallOptions,
  ObjectListing,
  ObjectStore,
  ObjectStoreDescription,
} from './object-store.js'

/** How long calls may take before the store counts as hanging, for all but the bytes of large bodies. */
export interface GuardLimits {
  readonly readMs: number
  readonly writeMs: number
  /** Whole objects, whose size is not known before, and pages of listings. */
  readonly wholeMs: number
}

const LIMITS: GuardLimits = { readMs: 10_000, writeMs: 20_000, wholeMs: 60_000 }
/** A body is given this much more time: the slowest line that a store is used over. */
const BYTES_PER_MS_MIN = 256

/** The circuits of a store: one that cannot be written to, a full disk say, can still be read. */
export interface StoreCircuits {
  readonly reading: CircuitReport
  readonly writing: CircuitReport
}

/**
 * A store that answers in time, whatever the one behind it does: while that is known to be away, calls throw `unavailable` at
 * once. A listing is bounded from entry to entry. `probe` always asks, and is bounded by its caller's signal.
 */
export class GuardedObjectStore implements ObjectStore {
  readonly #store: ObjectStore
  readonly #limits: GuardLimits
  readonly #reading: Circuit
  readonly #writing: Circuit

  constructor(store: ObjectStore, options: CircuitOptions & { readonly limits?: GuardLimits } = {}) {
    this.#store = store
    this.#limits = options.limits ?? LIMITS
    this.#reading = new Circuit(options)
    this.#writing = new Circuit(options)
  }

  get circuits(): StoreCircuits {
    return { reading: this.#reading.report, writing: this.#writing.report }
  }

  /** Throws `unavailable` where a write would be refused now: for who would have to prepare one first. */
  assertWritable(): void {
    this.#writing.assertPassable('')
  }

  putIfAbsent(key: string, body: Uint8Array, options?: ObjectCallOptions): Promise<CreateOutcome> {
    return this.#write(key, body.length, options, (bounded) => this.#store.putIfAbsent(key, body, bounded))
  }

  put(key: string, body: Uint8Array, options?: ObjectCallOptions): Promise<void> {
    return this.#write(key, body.length, options, (bounded) => this.#store.put(key, body, bounded))
  }

  delete(key: string, options?: ObjectCallOptions): Promise<void> {
    return this.#write(key, 0, options, (bounded) => this.#store.delete(key, bounded))
  }

  get(key: string, options?: ObjectCallOptions): Promise<Uint8Array> {
    return this.#read(key, this.#limits.wholeMs, options, (bounded) => this.#store.get(key, bounded))
  }

  getRange(key: string, from: number, length: number, options?: ObjectCallOptions): Promise<Uint8Array> {
    const bodyMs = transferMs(length)
    const call = (bounded: ObjectCallOptions): Promise<Uint8Array> =>
      this.#store.getRange(key, from, length, bounded)
    return this.#read(key, this.#limits.readMs + bodyMs, options, call, bodyMs)
  }

  head(key: string, options?: ObjectCallOptions): Promise<{ readonly size: number } | null> {
    return this.#read(key, this.#limits.readMs, options, (bounded) => this.#store.head(key, bounded))
  }

  async *list(prefix: string, cursor?: string, options?: ObjectCallOptions): AsyncGenerator<ObjectListing> {
    const entries = this.#store.list(prefix, cursor, options)[Symbol.asyncIterator]()
    try {
      for (;;) {
        const next = await this.#read(prefix, this.#limits.wholeMs, options, () => entries.next())
        if (next.done === true) return
        yield next.value
      }
    } finally {
      // Not awaited: a page that hangs would hold its consumer up.
      void entries.return?.().catch(() => undefined)
    }
  }

  probe(options?: ObjectCallOptions): Promise<void> {
    return this.#store.probe(options)
  }

  describe(): ObjectStoreDescription {
    return this.#store.describe()
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  #read<T>(
    object: string,
    limitMs: number,
    { signal }: ObjectCallOptions = {},
    call: (options: ObjectCallOptions) => Promise<T>,
    bodyMs = 0,
  ): Promise<T> {
    return this.#reading.run({ object, limitMs, bodyMs, signal, work: (cut) => call({ signal: cut }) })
  }

  #write<T>(
    object: string,
    bytes: number,
    { signal }: ObjectCallOptions = {},
    call: (options: ObjectCallOptions) => Promise<T>,
  ): Promise<T> {
    const bodyMs = transferMs(bytes)
    const limitMs = this.#limits.writeMs + bodyMs
    return this.#writing.run({ object, limitMs, bodyMs, signal, work: (cut) => call({ signal: cut }) })
  }
}

/** Of a length that is none the store behind it says so. */
function transferMs(bytes: number): number {
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes / BYTES_PER_MS_MIN : 0
}

/** Throws `unavailable` where a store is known not to take writes now; one that keeps no watch takes them. */
export function assertWritable(store: ObjectStore): void {
  if (store instanceof GuardedObjectStore) store.assertWritable()
}
