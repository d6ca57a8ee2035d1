import type { TenantScope } from '@agentfs/access'
import { PACK_BYTES_MAX, type PackHint } from '@agentfs/engine'
import type { JobQueue } from './queue/index.js'
import { packJob } from './jobs/pack-job.js'

/** How many streams may wait to be hinted at; beyond that the sweeper has to find them. */
const WAITING_MAX = 10_000
/** Streams whose bytes are counted; beyond that, too, the sweeper has to find them. */
const COUNTED_MAX = 100_000

/**
 * Puts hints into the queue: one call to the store at a time, with all that came meanwhile, each stream once. What the
 * store does not take is dropped, for the sweeper finds it.
 */
export class PackHintProducer implements PackHint {
  readonly #queue: JobQueue<'pack'>
  readonly #onLost: (error: unknown) => void
  readonly #waiting = new Map<string, TenantScope>()
  readonly #committedBytes = new Map<string, number>()
  #sending: Promise<void> | undefined

  constructor(queue: JobQueue<'pack'>, onLost: (error: unknown) => void) {
    this.#queue = queue
    this.#onLost = onLost
  }

  hint(scope: TenantScope, streamId: string, committedBytes?: number): void {
    if (committedBytes !== undefined && !this.#fillsSegment(streamId, committedBytes)) return
    this.#committedBytes.delete(streamId)
    if (this.#waiting.size >= WAITING_MAX) return
    this.#waiting.set(streamId, scope)
    this.#sending ??= this.#send().finally(() => (this.#sending = undefined))
  }

  /** Returns when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending
  }

  /** Counts what this process committed; what others did to the same stream, the sweeper knows. */
  #fillsSegment(streamId: string, committedBytes: number): boolean {
    const bytes = (this.#committedBytes.get(streamId) ?? 0) + committedBytes
    if (this.#committedBytes.size >= COUNTED_MAX) this.#committedBytes.clear()
    this.#committedBytes.set(streamId, bytes)
    return bytes >= PACK_BYTES_MAX
  }

  async #send(): Promise<void> {
    while (this.#waiting.size > 0) {
      const jobs = [...this.#waiting].map(([streamId, scope]) => packJob(scope, streamId))
      this.#waiting.clear()
      await this.#queue.add(jobs).catch(this.#onLost)
    }
  }
}
