import type { EngineLog } from '@agentfs/engine'
import type { JobQueue } from './queue/index.js'

/** How often what is asked for. */
export interface HeartbeatOptions {
  readonly sweep: JobQueue<'sweep'>
  readonly collect: JobQueue<'collect'>
  readonly sweepIntervalMs: number
  readonly collectIntervalMs: number
  readonly log: EngineLog
}

/** Stops asking. */
export interface Heartbeat {
  stop(): void
}

/**
 * Asks for sweeps and collections at intervals. Every worker process asks, and the deduplication lets one of them through
 * per interval. Not a scheduler kept in the queue: one that was forgotten with the rest would never sweep again.
 */
export function startHeartbeat(options: HeartbeatOptions): Heartbeat {
  const { sweep, collect, sweepIntervalMs, collectIntervalMs, log } = options
  const ask = (what: 'sweep' | 'collect', intervalMs: number): void => {
    const queue: JobQueue<'sweep' | 'collect'> = what === 'sweep' ? sweep : collect
    // A little less than the interval, or the own next beat would fall into it.
    const deduplication = { id: what, ttl: Math.ceil(intervalMs * 0.9) }
    queue.add([{ data: {}, options: { deduplication } }]).catch((error: unknown) => {
      log.warn('the job queue does not answer; its work waits in the database', { error: String(error) })
    })
  }
  const timers = [
    setInterval(() => ask('sweep', sweepIntervalMs), sweepIntervalMs),
    setInterval(() => ask('collect', collectIntervalMs), collectIntervalMs),
  ]
  // At once, for what a killed process left.
  ask('sweep', sweepIntervalMs)
  return { stop: () => timers.forEach((timer) => clearInterval(timer)) }
}
