import type { Checkpointer, Chore, EngineLog, Mirror, Packer, Sweeper } from '@agentfs/engine'
import type { QueueConfig } from './queue/index.js'
import type { WorkerMetrics } from './worker-metrics.js'

/** A chore and how often each tenant's turn comes. */
export interface PeriodicChore {
  readonly chore: Chore
  readonly intervalMs: number
}

/** What a worker is made of. */
export interface WorkerOptions {
  readonly queue: QueueConfig
  readonly packer: Packer
  readonly sweeper: Sweeper
  readonly checkpointer: Checkpointer
  readonly mirror: Mirror
  readonly chores: readonly PeriodicChore[]
  readonly log: EngineLog
  readonly metrics?: WorkerMetrics
  /** Streams packed at once; 4 unless told. */
  readonly packConcurrency?: number
  /** Steps of chores run at once; 2 unless told. */
  readonly choreConcurrency?: number
  /** How long a stream that no hint named may wait beyond its due; 5 s unless told. */
  readonly sweepIntervalMs?: number
  /** How long an open mirror waits after a commit; 1 s unless told. */
  readonly mirrorIntervalMs?: number
  /** How long `stop` waits for running jobs before it lets go of them; 8 s unless told. */
  readonly stopMsMax?: number
}

/** Names the options within Nest's container. */
export const WORKER_OPTIONS = Symbol('WorkerOptions')
/** Names the queue backend within Nest's container. */
export const QUEUE_BACKEND = Symbol('QueueBackend')
