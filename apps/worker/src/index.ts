export { createWorker, type Worker } from './create-worker.js'
export { openPackHints, type PackHints } from './open-pack-hints.js'
export {
  prepareQueueSchema,
  probeQueue,
  QUEUE_ROLE,
  QUEUE_SCHEMA,
  type QueueConfig,
  REDIS_PREFIX,
} from './queue/index.js'
export { StorageMetrics } from './storage-metrics.js'
export { WorkerMetrics } from './worker-metrics.js'
export type { PeriodicChore, WorkerOptions } from './worker-options.js'
