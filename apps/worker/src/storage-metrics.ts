import type { UsageAcrossTenants } from '@agentfs/storage'
import { Gauge, Registry } from 'prom-client'

/** However often somebody looks, the figures are read no more often than this; they are counted once an hour. */
const FRESH_MS = 60_000

/** What the bucket holds, over all tenants, as the chore `usage` last counted it; read when somebody looks. */
export class StorageMetrics {
  readonly registry = new Registry()
  readonly #look: () => Promise<UsageAcrossTenants>
  readonly #now: () => number
  readonly #bytes: Gauge<'kind' | 'use'>
  readonly #objects: Gauge<'kind' | 'state'>
  readonly #versions: Gauge<'state'>
  readonly #age: Gauge
  #readAtMs = Number.NEGATIVE_INFINITY
  #reading: Promise<void> = Promise.resolve()

  /** `look` reads what was counted; it may fail, and the last figures stay. */
  constructor(look: () => Promise<UsageAcrossTenants>, now: () => number = Date.now) {
    this.#look = look
    this.#now = now
    const shared = { registers: [this.registry], collect: () => this.#refresh() }
    this.#bytes = new Gauge({
      name: 'agentfs_bucket_bytes',
      help: 'Bytes in the bucket: live ones, unused ones within objects that live, and those of dead objects.',
      labelNames: ['kind', 'use'],
      ...shared,
    })
    this.#objects = new Gauge({
      name: 'agentfs_bucket_objects',
      help: 'Objects in the bucket, by kind and state.',
      labelNames: ['kind', 'state'],
      ...shared,
    })
    this.#versions = new Gauge({
      name: 'agentfs_versions',
      help: 'Versions of files: staged in Postgres, stored, and kept as the beginning of a later one.',
      labelNames: ['state'],
      ...shared,
    })
    this.#age = new Gauge({
      name: 'agentfs_bucket_counted_seconds',
      help: 'Age of the oldest of these figures of any tenant.',
      ...shared,
    })
  }

  #refresh(): Promise<void> {
    const now = performance.now()
    if (now - this.#readAtMs >= FRESH_MS) {
      this.#readAtMs = now
      this.#reading = this.#read().catch(() => undefined)
    }
    return this.#reading
  }

  async #read(): Promise<void> {
    const { rows, oldestAt } = await this.#look()
    // A state that nothing is in any more has no row.
    for (const gauge of [this.#bytes, this.#objects, this.#versions]) gauge.reset()
    for (const { what, state, count, bytes, liveBytes } of rows) {
      if (what === 'version') {
        this.#versions.set({ state }, count)
        continue
      }
      this.#objects.set({ kind: what, state }, count)
      if (state === 'dead') this.#bytes.set({ kind: what, use: 'dead' }, bytes)
      if (state !== 'live') continue
      this.#bytes.set({ kind: what, use: 'live' }, liveBytes)
      this.#bytes.set({ kind: what, use: 'unused' }, bytes - liveBytes)
    }
    this.#age.set(oldestAt === null ? 0 : Math.max(0, this.#now() - oldestAt.getTime()) / 1_000)
  }
}
