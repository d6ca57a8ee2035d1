import type { QueueName } from '@agentfs/contracts'
import { createPostgresBackend, type PgPool, Queue, Worker } from 'bullmq'
import { Pool } from 'pg'
import { adaptQueue, adaptWorker, workerSettings } from './bullmq-adapter.js'
import { QUEUE_SCHEMA } from './prepare-queue-schema.js'
import type { JobProcessing, JobQueue, ProcessingOptions, QueueBackend } from './queue-backend.js'
import type { QueueConfig } from './queue-config.js'

type PostgresQueueConfig = Extract<QueueConfig, { kind: 'postgres' }>

// Each worker keeps one connection for LISTEN; the rest is shared by all queues of the process.
const CONNECTIONS_MAX = 12
// Every queue and worker listens for the pool's errors; that is no leak.
const LISTENERS_MAX = 64

/** BullMQ over Postgres, in a schema of its own that `prepareQueueSchema` has made. All queues share one pool. */
export function openPostgresBackend(config: PostgresQueueConfig): QueueBackend {
  const pool = new Pool({
    connectionString: config.url,
    max: config.connectionsMax ?? CONNECTIONS_MAX,
    options: `-c search_path=${QUEUE_SCHEMA}`,
    application_name: 'agentfs-queue',
    keepAlive: true,
  })
  pool.setMaxListeners(LISTENERS_MAX)
  // The pool replaces a connection that broke while idle; unheard, its error would end the process.
  pool.on('error', () => undefined)
  // oxlint-disable-next-line agentfs/no-double-cast -- BullMQ describes pg's pool by overloads, which TypeScript cannot compare with pg's own generic listeners
  const connection = pool as unknown as PgPool
  return {
    openQueue<N extends QueueName>(name: N): JobQueue<N> {
      return adaptQueue(name, new Queue(name, { connection }, createPostgresBackend))
    },
    process(name, run, options: ProcessingOptions): JobProcessing {
      const settings = { ...workerSettings(options), connection }
      return adaptWorker(new Worker(name, (job) => run(job.data), settings, createPostgresBackend), options)
    },
    close: () => pool.end(),
  }
}
