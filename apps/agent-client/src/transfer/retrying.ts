import { AgentfsError, RETRIABLE } from '@agentfs/contracts'
import { backoffMs, pause } from '@agentfs/sync'

/** How long one request is tried again before the work is left for later. */
const TRY_FOR_MS = 90_000

/** Whether a failure may pass by itself. */
export function mayPass(error: unknown): boolean {
  if (!(error instanceof AgentfsError)) return error instanceof TypeError || isCut(error)
  return RETRIABLE.has(error.code) || error.details['foreign'] === true
}

/** An answer that broke off in its body. */
function isCut(error: unknown): boolean {
  return (
    error instanceof Error &&
    (error.name === 'TimeoutError' || /terminated|aborted|socket/.test(error.message))
  )
}

/** Does something until it succeeds, or fails for a reason that will not pass, or 90 seconds are over. */
export async function retrying<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  const startedAt = performance.now()
  for (let failures = 1; ; failures++) {
    signal.throwIfAborted()
    try {
      return await attempt()
    } catch (error) {
      signal.throwIfAborted()
      if (!mayPass(error) || performance.now() - startedAt > TRY_FOR_MS) throw error
      const given = error instanceof AgentfsError ? error.details['retryAfterSeconds'] : undefined
      const own = backoffMs(failures, { firstMs: 200, mostMs: 10_000, random: Math.random })
      await pause(typeof given === 'number' ? Math.max(own, Math.min(given, 60) * 1_000) : own, signal)
    }
  }
}
