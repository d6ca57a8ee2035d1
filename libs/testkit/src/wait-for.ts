import { setTimeout as delay } from 'node:timers/promises'

/** How long to wait, and the words for the failure message. */
export interface WaitOptions {
  readonly deadlineMs: number
  /** What is awaited, as the end of "waited 5000 ms for …". */
  readonly what: string
  /** Pause between two looks; 10 ms unless told. */
  readonly pollMs?: number
}

type Falsy = false | null | undefined

/**
 * Calls `condition` until it gives something other than false, null or undefined, and returns that.
 * A condition that throws is looked at again; past the deadline its last error is the cause of ours.
 * A condition that never settles fails at the deadline too.
 */
export async function waitFor<T>(
  condition: () => T | Falsy | Promise<T | Falsy>,
  options: WaitOptions,
): Promise<T> {
  const { deadlineMs, what, pollMs = 10 } = options
  const endsAt = performance.now() + deadlineMs
  let lastError: unknown
  for (;;) {
    try {
      const value = await withinDeadline(condition(), endsAt)
      if (value !== false && value !== null && value !== undefined) return value
      lastError = undefined
    } catch (error) {
      // What the look before said tells more than that there was no time for another.
      if (!(error instanceof NoTimeLeft) || lastError === undefined) lastError = error
    }
    if (performance.now() >= endsAt) {
      throw new Error(`waited ${deadlineMs} ms for ${what}${reason(lastError)}`, { cause: lastError })
    }
    await delay(Math.max(1, Math.min(pollMs, endsAt - performance.now())))
  }
}

class NoTimeLeft extends Error {}

function reason(error: unknown): string {
  return error instanceof Error ? `: ${error.message}` : ''
}

async function withinDeadline<T>(value: T | Promise<T>, endsAt: number): Promise<T> {
  const timer = new AbortController()
  const expired = delay(Math.max(0, endsAt - performance.now()), undefined, {
    signal: timer.signal,
    ref: true,
  }).then(() => {
    throw new NoTimeLeft('the last look did not come back')
  })
  expired.catch(() => undefined)
  try {
    return await Promise.race([value, expired])
  } finally {
    timer.abort()
  }
}
