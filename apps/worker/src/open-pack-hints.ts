import type { EngineLog, PackHint } from '@agentfs/engine'
import { PackHintProducer } from './pack-hint-producer.js'
import { openQueueBackend, type QueueConfig } from './queue/index.js'

/** The producing side for a process that commits: with or without a worker in it. */
export interface PackHints extends PackHint {
  /** Returns when every hint given so far is in the queue, or lost. */
  settled(): Promise<void>
  /** Asks the queue something cheap; throws where it does not answer. */
  probe(): Promise<void>
  close(): Promise<void>
}

/** Opens the queue for hints. */
export function openPackHints(queue: QueueConfig, log: EngineLog): PackHints {
  const backend = openQueueBackend(queue)
  const jobs = backend.openQueue('pack')
  const producer = new PackHintProducer(jobs, (error) =>
    log.warn('a hint for the packer was lost; the sweeper will find the stream', { error: String(error) }),
  )
  return {
    hint: (scope, streamId, committedBytes) => producer.hint(scope, streamId, committedBytes),
    settled: () => producer.settled(),
    async probe(): Promise<void> {
      await jobs.pending()
    },
    async close(): Promise<void> {
      await producer.settled()
      await jobs.close()
      await backend.close()
    },
  }
}
