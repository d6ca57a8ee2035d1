import { setTimeout as delay } from 'node:timers/promises'
import { Gauge, Registry } from 'prom-client'

/** What a service stands on. */
export type Dependency = 'object_store' | 'kms' | 'queue' | 'database'

/** Asks one of them something cheap; throws where it does not answer. */
export type DependencyProbe = (signal: AbortSignal) => Promise<unknown>

/** What waits in Postgres for the object store, over all tenants. */
export interface Staged {
  readonly bytes: number
  readonly oldestMs: number
}

const PROBE_MS_MAX = 2_000
/** However often somebody looks, the dependencies are asked no more often than this. */
const FRESH_MS = 5_000

/** The alarms of outages [OUT-1]: asked for when somebody looks, so that a service nobody watches asks nothing. */
export class DependencyMetrics {
  readonly registry = new Registry()
  readonly #probes: Readonly<Record<Dependency, DependencyProbe>>
  readonly #staged: () => Promise<Staged>
  readonly #up: Gauge<'dependency'>
  readonly #stagedBytes: Gauge
  readonly #stagedSeconds: Gauge
  #askedAtMs = Number.NEGATIVE_INFINITY
  #asking: Promise<void> = Promise.resolve()

  constructor(probes: Readonly<Record<Dependency, DependencyProbe>>, staged: () => Promise<Staged>) {
    this.#probes = probes
    this.#staged = staged
    const registers = [this.registry]
    this.#up = new Gauge({
      name: 'agentfs_dependency_up',
      help: 'Whether the object store, the KMS, the job queue and the database answer this process: 1 or 0.',
      labelNames: ['dependency'],
      registers,
      collect: () => this.#refresh(),
    })
    this.#stagedBytes = new Gauge({
      name: 'agentfs_staged_bytes',
      help: 'Sealed bytes that wait in Postgres for the object store, over all tenants.',
      registers,
      collect: () => this.#refresh(),
    })
    this.#stagedSeconds = new Gauge({
      name: 'agentfs_staged_oldest_seconds',
      help: 'Age of the oldest of them.',
      registers,
      collect: () => this.#refresh(),
    })
  }

  #refresh(): Promise<void> {
    const now = performance.now()
    if (now - this.#askedAtMs >= FRESH_MS) {
      this.#askedAtMs = now
      this.#asking = this.#ask()
    }
    return this.#asking
  }

  async #ask(): Promise<void> {
    const asked = Object.entries(this.#probes).map(async ([dependency, probe]) => {
      this.#up.set({ dependency }, (await answers(probe)) ? 1 : 0)
    })
    await Promise.all(asked)
    // The last figures stay where the database is away: its own gauge says so.
    await answers(async () => {
      const { bytes, oldestMs } = await this.#staged()
      this.#stagedBytes.set(bytes)
      this.#stagedSeconds.set(oldestMs / 1_000)
    })
  }
}

async function answers(probe: DependencyProbe): Promise<boolean> {
  const limit = new AbortController()
  const answered = probe(limit.signal).then(
    () => true,
    () => false,
  )
  const late = delay(PROBE_MS_MAX, false, { signal: limit.signal }).catch(() => false)
  const inTime = await Promise.race([answered, late])
  limit.abort()
  return inTime
}
