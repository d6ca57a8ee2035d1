import { setTimeout as delay } from 'node:timers/promises'

/** What to do about a failed attempt; seconds where the other side asked for a pause. */
export type RetryVerdict =
  { readonly retry: false } | { readonly retry: true; readonly pauseSeconds?: number | undefined }

const PAUSE_BASE_MS = 50
const PAUSE_MS_MAX = 2_000
const ASKED_PAUSE_MS_MAX = 5_000

/**
 * Calls `attempt` until it succeeds, the verdict is no, the attempts are used up, or the signal aborts. Pauses grow from
 * 50 ms to 2 s with full jitter, so that many callers who failed together do not come back together.
 */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  judge: (error: unknown) => RetryVerdict,
  attemptsMax: number,
  signal: AbortSignal,
): Promise<T> {
  for (let count = 1; ; count++) {
    try {
      return await attempt()
    } catch (error) {
      const verdict = judge(error)
      if (!verdict.retry || count >= attemptsMax || signal.aborted) throw error
      const asked = Math.min((verdict.pauseSeconds ?? 0) * 1_000, ASKED_PAUSE_MS_MAX)
      const drawn = Math.random() * Math.min(PAUSE_MS_MAX, PAUSE_BASE_MS * 2 ** count)
      await delay(Math.max(asked, drawn), undefined, { signal }).catch(() => {
        throw error
      })
    }
  }
}
