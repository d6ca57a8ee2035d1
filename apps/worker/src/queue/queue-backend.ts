import type { JOB_PAYLOADS, QueueName } from '@agentfs/contracts'
import type { JobsOptions } from 'bullmq'
import type { z } from 'zod'

/** What a job of a queue carries. */
type JobPayload<N extends QueueName> = z.infer<(typeof JOB_PAYLOADS)[N]>

/** One job to add. */
export interface NewJob<N extends QueueName> {
  readonly data: JobPayload<N>
  readonly options: Pick<JobsOptions, 'deduplication'>
}

/** The producing side of a queue. */
export interface JobQueue<N extends QueueName> {
  /** Adds jobs; one whose deduplication id stands for a waiting job vanishes. Rejects where the store does not answer. */
  add(jobs: readonly NewJob<N>[]): Promise<void>
  /** Jobs that wait or run now. */
  pending(): Promise<number>
  close(): Promise<void>
}

/** How a queue is worked off. */
export interface ProcessingOptions {
  readonly concurrency: number
  /** Hears of trouble with the job store, not of failed jobs. */
  readonly onError: (error: Error) => void
}

/** The consuming side of a queue; processing begins at once. */
export interface JobProcessing {
  /** Takes no more jobs and returns when the running ones have ended; `force` does not wait for them. */
  close(force?: boolean): Promise<void>
}

/** Runs one job; the payload is not checked yet. */
export type JobHandler = (payload: unknown) => Promise<void>

/** BullMQ over one store. Queues and processing that were opened here are closed before it. */
export interface QueueBackend {
  openQueue<N extends QueueName>(name: N): JobQueue<N>
  process(name: QueueName, run: JobHandler, options: ProcessingOptions): JobProcessing
  close(): Promise<void>
}
