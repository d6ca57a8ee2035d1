import type { EngineLog } from '@agentfs/engine'
import type { JobsOptions } from 'bullmq'

/** Something to ask for at intervals. */
export interface Beat {
  readonly name: string
  readonly intervalMs: number
  /** How long after the start it is first asked for; at once unless told. */
  readonly firstMs?: number
  readonly ask: (deduplication: NonNullable<JobsOptions['deduplication']>) => Promise<void>
}

/** Stops asking. */
export interface Heartbeat {
  stop(): void
}

/**
 * Asks for periodic work. Every worker process asks, and the deduplication lets one of them through per interval. Not a
 * scheduler kept in the queue: one that was forgotten with the rest would never run again.
 */
export function startHeartbeat(beats: readonly Beat[], log: EngineLog): Heartbeat {
  const timers = beats.flatMap(({ name, intervalMs, firstMs = 0, ask }) => {
    const beat = (): void => {
      // A little less than the interval, or the own next beat would fall into it.
      ask({ id: name, ttl: Math.ceil(intervalMs * 0.9) }).catch((error: unknown) => {
        log.warn('the job queue does not answer; its work waits in the database', { error: String(error) })
      })
    }
    return [setTimeout(beat, firstMs), setInterval(beat, intervalMs)]
  })
  return { stop: () => timers.forEach((timer) => clearInterval(timer)) }
}
