import { setTimeout as delay } from 'node:timers/promises'
import type { QueueName } from '@agentfs/contracts'
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common'
import type { JobsOptions } from 'bullmq'
import { type Beat, type Heartbeat, startHeartbeat } from './heartbeat.js'
import { checkpointDue } from './jobs/checkpoint-due.js'
import { runChoreJob } from './jobs/chore-job.js'
import { runMirrorJob, runMirrorSweepJob } from './jobs/mirror-job.js'
import { runPackJob } from './jobs/pack-job.js'
import { runSweepJob } from './jobs/sweep-job.js'
import type { JobHandler, JobProcessing, JobQueue, QueueBackend } from './queue/index.js'
import { WorkerMetrics } from './worker-metrics.js'
import { QUEUE_BACKEND, WORKER_OPTIONS, type WorkerOptions } from './worker-options.js'

const PACK_CONCURRENCY = 4
const MIRROR_CONCURRENCY = 2
const MIRROR_INTERVAL_MS = 1_000
const SWEEP_INTERVAL_MS = 5_000
const CHORE_CONCURRENCY = 2
/** A service that starts has better things to do; one that never runs for an interval must get to its chores all the same. */
const FIRST_CHORES_MS = 60_000
const STOP_MS_MAX = 8_000

/** Connects the queues with what their jobs do, from the application's start to its shutdown. */
@Injectable()
export class JobRunner implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #options: WorkerOptions
  readonly #backend: QueueBackend
  readonly #metrics: WorkerMetrics
  readonly #aborting = new AbortController()
  #queues: JobQueue<QueueName>[] = []
  #processing: JobProcessing[] = []
  #heartbeat: Heartbeat | undefined

  constructor(
    @Inject(WORKER_OPTIONS) options: WorkerOptions,
    @Inject(QUEUE_BACKEND) backend: QueueBackend,
    @Inject(WorkerMetrics) metrics: WorkerMetrics,
  ) {
    this.#options = options
    this.#backend = backend
    this.#metrics = metrics
  }

  onApplicationBootstrap(): void {
    const { packer, sweeper, checkpointer, mirror, chores, log, ...options } = this.#options
    const { signal } = this.#aborting
    const metrics = this.#metrics
    const pack = this.#backend.openQueue('pack')
    const sweep = this.#backend.openQueue('sweep')
    const chore = this.#backend.openQueue('chore')
    const mirrorSweep = this.#backend.openQueue('mirror-sweep')
    const mirrors = this.#backend.openQueue('mirror')
    this.#queues = [pack, sweep, chore, mirrorSweep, mirrors]
    const known = new Map(chores.map((periodic) => [periodic.chore.name, periodic.chore]))
    const choreRun = { chores: known, queue: chore, sweeper, metrics, signal }
    this.#processing = [
      this.#process('pack', options.packConcurrency ?? PACK_CONCURRENCY, (payload) =>
        runPackJob(payload, packer, metrics, signal),
      ),
      this.#process('sweep', 1, async () => {
        await runSweepJob(sweeper, pack, metrics)
        await checkpointDue(checkpointer, log, signal)
      }),
      this.#process('mirror-sweep', 1, () => runMirrorSweepJob(mirror, mirrors, metrics)),
      this.#process('mirror', MIRROR_CONCURRENCY, (payload) =>
        runMirrorJob(payload, mirror, metrics, signal),
      ),
      this.#process('chore', options.choreConcurrency ?? CHORE_CONCURRENCY, (payload) =>
        runChoreJob(payload, choreRun),
      ),
    ]
    const beats: Beat[] = [
      {
        name: 'sweep',
        intervalMs: options.sweepIntervalMs ?? SWEEP_INTERVAL_MS,
        // At once, for what a killed process left.
        ask: (deduplication) => sweep.add([{ data: {}, options: { deduplication } }]),
      },
      {
        name: 'mirror-sweep',
        intervalMs: options.mirrorIntervalMs ?? MIRROR_INTERVAL_MS,
        ask: (deduplication) => mirrorSweep.add([{ data: {}, options: { deduplication } }]),
      },
      ...chores.map(({ chore: { name }, intervalMs }) => ({
        name,
        intervalMs,
        firstMs: Math.min(intervalMs, FIRST_CHORES_MS),
        ask: (deduplication: NonNullable<JobsOptions['deduplication']>) =>
          chore.add([{ data: { chore: name }, options: { deduplication } }]),
      })),
    ]
    this.#heartbeat = startHeartbeat(beats, log)
  }

  /** Takes no more jobs, lets the running ones end for a while, then aborts them: they are hints, nothing is lost. */
  async onApplicationShutdown(): Promise<void> {
    this.#heartbeat?.stop()
    const closing = Promise.all(this.#processing.map((processing) => processing.close()))
    const late = new AbortController()
    const patience = delay(this.#options.stopMsMax ?? STOP_MS_MAX, 'late', { signal: late.signal }).catch(
      () => 'done',
    )
    if ((await Promise.race([closing, patience])) === 'late') {
      this.#aborting.abort(new Error('the worker stops'))
      await Promise.race([closing, delay(1_000)])
    }
    late.abort()
    await Promise.all(this.#queues.map((queue) => queue.close()))
    await this.#backend.close()
  }

  #process(name: QueueName, concurrency: number, run: JobHandler): JobProcessing {
    const { log } = this.#options
    const handler: JobHandler = async (payload) => {
      try {
        await this.#metrics.job(name, () => run(payload))
      } catch (error) {
        // Said here, once: the queue keeps no failed jobs, and the next sweep brings the work back.
        if (!this.#aborting.signal.aborted) log.warn(`a ${name} job failed`, { error: String(error) })
        throw error
      }
    }
    const onError = (error: Error): void =>
      log.warn('the job queue does not answer', { queue: name, error: String(error) })
    return this.#backend.process(name, handler, { concurrency, onError })
  }
}
