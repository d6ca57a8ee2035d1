import type { Collector, EngineLog, Packer, Sweeper } from '@agentfs/engine'
import type { QueueConfig } from './queue/index.js'
import type { WorkerMetrics } from './worker-metrics.js'

/** What a worker is made of. */
export interface WorkerOptions {
  readonly queue: QueueConfig
  readonly packer: Packer
  readonly sweeper: Sweeper
  readonly collector: Collector
  readonly log: EngineLog
  readonly metrics?: WorkerMetrics
  /** Streams packed at once; 4 unless told. */
  readonly packConcurrency?: number
  /** How long a stream that no hint named may wait beyond its due; 5 s unless told. */
  readonly sweepIntervalMs?: number
  /** 1 h unless told. */
  readonly collectIntervalMs?: number
  /** How long `stop` waits for running jobs before it lets go of them; 8 s unless told. */
  readonly stopMsMax?: number
}

/** Names the options within Nest's container. */
export const WORKER_OPTIONS = Symbol('WorkerOptions')
/** Names the queue backend within Nest's container. */
export const QUEUE_BACKEND = Symbol('QueueBackend')
