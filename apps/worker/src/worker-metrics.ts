import type { QueueName } from '@agentfs/contracts'
import type { ChoreStep, DueMirrors, DueWork, MirrorAdvance, PackOutcome } from '@agentfs/engine'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** What a worker counts; no label ever holds a tenant, a path or an id. */
export class WorkerMetrics {
  readonly registry = new Registry()
  readonly #jobs: Counter<'queue' | 'outcome'>
  readonly #jobSeconds: Histogram<'queue'>
  readonly #segments: Counter<'outcome'>
  readonly #puts: Counter
  readonly #bytes: Counter
  readonly #dueStreams: Gauge
  readonly #lagSeconds: Gauge
  readonly #chores: Counter<'chore' | 'what'>
  readonly #damaged: Gauge
  readonly #choreSteps: Counter<'chore'>
  readonly #dueMirrors: Gauge
  readonly #mirrorLagSeconds: Gauge
  readonly #mirrored: Counter<'what'>

  constructor() {
    const registers = [this.registry]
    this.#jobs = new Counter({
      name: 'agentfs_worker_jobs_total',
      help: 'Jobs that ended, by queue and outcome.',
      labelNames: ['queue', 'outcome'],
      registers,
    })
    this.#jobSeconds = new Histogram({
      name: 'agentfs_worker_job_seconds',
      help: 'How long jobs took.',
      labelNames: ['queue'],
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120],
      registers,
    })
    this.#segments = new Counter({
      name: 'agentfs_packer_steps_total',
      help: 'Packing steps, by outcome: stored a segment, lost to another packer, or found nothing.',
      labelNames: ['outcome'],
      registers,
    })
    this.#puts = new Counter({
      name: 'agentfs_packer_puts_total',
      help: 'Objects written by the packer that count: segments, parts and pieces of the key ledger.',
      registers,
    })
    this.#bytes = new Counter({
      name: 'agentfs_packer_bytes_total',
      help: 'Bytes of those objects.',
      registers,
    })
    this.#dueStreams = new Gauge({
      name: 'agentfs_packer_due_streams',
      help: 'Streams that were due for packing at the last sweep; 1000 means as many or more.',
      registers,
    })
    this.#lagSeconds = new Gauge({
      name: 'agentfs_packer_lag_seconds',
      help: 'Age of the oldest commit of a due stream at the last sweep.',
      registers,
    })
    this.#dueMirrors = new Gauge({
      name: 'agentfs_mirror_due',
      help: 'Open mirrors that were behind at the last look; 100 means as many or more.',
      registers,
    })
    this.#mirrorLagSeconds = new Gauge({
      name: 'agentfs_mirror_lag_seconds',
      help: 'Age of the oldest commit that an open mirror did not show at the last look.',
      registers,
    })
    this.#mirrored = new Counter({
      name: 'agentfs_mirror_documents_total',
      help: 'Documents of open mirrors that were written and removed.',
      labelNames: ['what'],
      registers,
    })
    this.#chores = new Counter({
      name: 'agentfs_chore_total',
      help: 'What maintenance did, by chore: objects, versions, bytes and so on, as `what` says.',
      labelNames: ['chore', 'what'],
      registers,
    })
    this.#damaged = new Gauge({
      name: 'agentfs_scrub_damaged_objects',
      help: 'Stored objects that this process found damaged, and not whole since; anything but 0 needs an operator.',
      registers,
    })
    this.#choreSteps = new Counter({
      name: 'agentfs_chore_steps_total',
      help: 'Steps of maintenance that ended well, each of one tenant.',
      labelNames: ['chore'],
      registers,
    })
  }

  /** Notes which open mirrors are behind. */
  mirrorsDue({ mirrors, oldestMs }: DueMirrors): void {
    this.#dueMirrors.set(mirrors.length)
    this.#mirrorLagSeconds.set(oldestMs / 1_000)
  }

  /** Counts what a mirror wrote. */
  mirrored({ written, removed }: MirrorAdvance): void {
    this.#mirrored.inc({ what: 'written' }, written)
    this.#mirrored.inc({ what: 'removed' }, removed)
  }

  /** Times a job and counts how it ended. */
  async job<T>(queue: QueueName, work: () => Promise<T>): Promise<T> {
    const end = this.#jobSeconds.startTimer({ queue })
    try {
      const result = await work()
      this.#jobs.inc({ queue, outcome: 'done' })
      return result
    } catch (error) {
      this.#jobs.inc({ queue, outcome: 'failed' })
      throw error
    } finally {
      end()
    }
  }

  /** Counts one step of the packer. */
  packed(outcome: PackOutcome): void {
    this.#segments.inc({ outcome: outcome.kind })
    if (outcome.kind !== 'stored') return
    this.#puts.inc(outcome.puts)
    this.#bytes.inc(outcome.bytes)
  }

  /** Notes what a sweep found. */
  due({ streams, oldestMs }: DueWork): void {
    this.#dueStreams.set(streams.length)
    this.#lagSeconds.set(oldestMs / 1_000)
  }

  /** Notes how many stored objects are known to be damaged. */
  damaged(objects: number): void {
    this.#damaged.set(objects)
  }

  /** Counts what a step of a chore did; `what` is in snake_case, as Prometheus has it. */
  chore(chore: string, counts: ChoreStep['counts']): void {
    this.#choreSteps.inc({ chore })
    for (const [what, count] of Object.entries(counts)) {
      this.#chores.inc(
        { chore, what: what.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) },
        count,
      )
    }
  }
}
