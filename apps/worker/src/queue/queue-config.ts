/** Which store holds the jobs. They are hints: losing all of them loses nothing. */
export type QueueConfig =
  | {
      readonly kind: 'redis'
      /** `redis://` or `rediss://`; several, separated by commas, are the seeds of a cluster. */
      readonly url: string
      /** The braces keep all keys in one hash slot, which a Redis Cluster demands of a script. */
      readonly prefix?: string
    }
  | {
      readonly kind: 'postgres'
      /** URL of the queue's own role, which can reach the schema `bullmq` and nothing else. */
      readonly url: string
      readonly connectionsMax?: number
    }

/** Namespace of our keys in Redis. */
export const REDIS_PREFIX = '{agentfs}'
