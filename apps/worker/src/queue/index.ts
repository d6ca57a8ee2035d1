import { openPostgresBackend } from './postgres-backend.js'
import type { QueueBackend } from './queue-backend.js'
import type { QueueConfig } from './queue-config.js'
import { openRedisBackend } from './redis-backend.js'

export * from './prepare-queue-schema.js'
export type * from './queue-backend.js'
export * from './queue-config.js'

/** Opens the job store that the configuration names. */
export function openQueueBackend(config: QueueConfig): QueueBackend {
  return config.kind === 'redis' ? openRedisBackend(config) : openPostgresBackend(config)
}

/** Asks the job store for its queue's length, to learn whether it answers; gives words for an operator. */
export async function probeQueue(config: QueueConfig): Promise<string> {
  const backend = openQueueBackend(config)
  const queue = backend.openQueue('pack')
  try {
    return `on ${config.kind}, ${await queue.pending()} jobs wait or run`
  } finally {
    await queue.close()
    await backend.close()
  }
}
