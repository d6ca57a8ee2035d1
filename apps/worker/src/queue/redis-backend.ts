import type { QueueName } from '@agentfs/contracts'
import { Queue, Worker } from 'bullmq'
import { Cluster, Redis } from 'ioredis'
import { adaptQueue, adaptWorker, workerSettings } from './bullmq-adapter.js'
import type { JobProcessing, JobQueue, ProcessingOptions, QueueBackend } from './queue-backend.js'
import { type QueueConfig, REDIS_PREFIX } from './queue-config.js'

type RedisQueueConfig = Extract<QueueConfig, { kind: 'redis' }>

/** BullMQ over Redis; connects lazily, and comes back by itself after an outage. */
export function openRedisBackend(config: RedisQueueConfig): QueueBackend {
  const prefix = config.prefix ?? REDIS_PREFIX
  // A producer must not hang while Redis is away: its hint is worth nothing by then. A worker waits for ever.
  const producing = connect(config.url, { maxRetriesPerRequest: 1, enableOfflineQueue: false })
  const consuming = connect(config.url, { maxRetriesPerRequest: null })
  return {
    openQueue<N extends QueueName>(name: N): JobQueue<N> {
      return adaptQueue(name, new Queue(name, { connection: producing, prefix }))
    },
    process(name, run, options: ProcessingOptions): JobProcessing {
      const settings = { ...workerSettings(options), connection: consuming, prefix }
      return adaptWorker(new Worker(name, (job) => run(job.data), settings), options)
    },
    close(): Promise<void> {
      producing.disconnect()
      consuming.disconnect()
      return Promise.resolve()
    },
  }
}

interface ConnectionTraits {
  readonly maxRetriesPerRequest: number | null
  readonly enableOfflineQueue?: boolean
}

function connect(urls: string, options: ConnectionTraits): Redis | Cluster {
  const seeds = urls.split(',').map((url) => url.trim())
  const [first = ''] = seeds
  const client = seeds.length === 1 ? new Redis(first, { ...options }) : newCluster(seeds, options)
  // ioredis reconnects by itself; what fails meanwhile tells its caller.
  client.on('error', () => undefined)
  return client
}

function newCluster(
  seeds: readonly string[],
  { maxRetriesPerRequest, ...traits }: ConnectionTraits,
): Cluster {
  return new Cluster([...seeds], { ...traits, redisOptions: { maxRetriesPerRequest } })
}
