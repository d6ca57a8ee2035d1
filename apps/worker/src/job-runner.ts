import { setTimeout as delay } from 'node:timers/promises'
import type { QueueName } from '@agentfs/contracts'
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common'
import { type Heartbeat, startHeartbeat } from './heartbeat.js'
import { runCollectJob } from './jobs/collect-job.js'
import { runPackJob } from './jobs/pack-job.js'
import { runSweepJob } from './jobs/sweep-job.js'
import type { JobHandler, JobProcessing, JobQueue, QueueBackend } from './queue/index.js'
import { WorkerMetrics } from './worker-metrics.js'
import { QUEUE_BACKEND, WORKER_OPTIONS, type WorkerOptions } from './worker-options.js'

const PACK_CONCURRENCY = 4
const SWEEP_INTERVAL_MS = 5_000
const COLLECT_INTERVAL_MS = 3_600_000
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
    const { packer, sweeper, collector, log, ...options } = this.#options
    const { signal } = this.#aborting
    const pack = this.#backend.openQueue('pack')
    const sweep = this.#backend.openQueue('sweep')
    const collect = this.#backend.openQueue('collect')
    this.#queues = [pack, sweep, collect]
    this.#processing = [
      this.#process('pack', options.packConcurrency ?? PACK_CONCURRENCY, (payload) =>
        runPackJob(payload, packer, this.#metrics, signal),
      ),
      this.#process('sweep', 1, () => runSweepJob(sweeper, pack, this.#metrics)),
      this.#process('collect', 1, () => runCollectJob(sweeper, collector, this.#metrics, log, signal)),
    ]
    this.#heartbeat = startHeartbeat({
      sweep,
      collect,
      sweepIntervalMs: options.sweepIntervalMs ?? SWEEP_INTERVAL_MS,
      collectIntervalMs: options.collectIntervalMs ?? COLLECT_INTERVAL_MS,
      log,
    })
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
