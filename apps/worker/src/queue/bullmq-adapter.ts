import type { QueueName } from '@agentfs/contracts'
import type { JobsOptions, WorkerOptions } from 'bullmq'
import type { JobProcessing, JobQueue, NewJob, ProcessingOptions } from './queue-backend.js'

/** What we use of a BullMQ queue, whatever its backend. */
export interface BullQueue {
  addBulk(jobs: { name: string; data: unknown; opts?: JobsOptions }[]): Promise<unknown>
  getJobCountByTypes(...types: ('active' | 'waiting' | 'delayed' | 'prioritized')[]): Promise<number>
  close(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** What we use of a BullMQ worker, whatever its backend. */
export interface BullWorker {
  close(force?: boolean): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** A BullMQ queue as ours. */
export function adaptQueue<N extends QueueName>(name: N, queue: BullQueue): JobQueue<N> {
  // Unheard, the error of an idle connection would end the process; whoever awaits `add` hears of its own.
  queue.on('error', () => undefined)
  return {
    async add(jobs: readonly NewJob<N>[]): Promise<void> {
      if (jobs.length === 0) return
      await queue.addBulk(jobs.map(({ data, options }) => ({ name, data, opts: { ...LIFE, ...options } })))
    },
    pending: () => queue.getJobCountByTypes('active', 'waiting', 'delayed', 'prioritized'),
    close: () => queue.close(),
  }
}

/** A BullMQ worker as our processing. */
export function adaptWorker(worker: BullWorker, { onError }: ProcessingOptions): JobProcessing {
  worker.on('error', onError)
  return { close: (force) => worker.close(force) }
}

/** Worker settings of both backends. The job of a killed worker, which keeps others of its stream away, is free again after some 15 s. */
export function workerSettings({ concurrency }: ProcessingOptions): Omit<WorkerOptions, 'connection'> {
  return {
    concurrency,
    maxStalledCount: 1,
    lockDuration: 10_000,
    stalledInterval: 5_000,
    runRetryDelay: 1_000,
  }
}

// Finished jobs say nothing that metrics and logs do not say, and a hint that failed comes back with the next sweep.
const LIFE: JobsOptions = { removeOnComplete: true, removeOnFail: true, attempts: 1 }
