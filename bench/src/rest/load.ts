import { familySeconds, processorSeconds } from './processor-time.js'

/** What a load found. */
export interface LoadResult {
  readonly perSecond: number
  readonly medianMs: number
  readonly p99Ms: number
  /** Microseconds of processor for one call. */
  readonly apiUs: number
  readonly postgresUs: number
}

/** Whose processor time is counted. */
export interface Measured {
  readonly apiPid: number
  readonly postgresPid: number
}

/** How hard to drive. */
export interface LoadOptions {
  readonly lanes: number
  readonly seconds: number
  /** Calls a second over all lanes; as many as there may be unless told. A late call counts from when it was due. */
  readonly pace?: number
}

/** Runs `call` from several lanes, each with one call under way, once the code is warm. */
export async function drive(
  { lanes, seconds, pace }: LoadOptions,
  { apiPid, postgresPid }: Measured,
  call: (lane: number, at: number) => Promise<unknown>,
): Promise<LoadResult> {
  let took: number[] = []
  let over = false
  const gapMs = pace === undefined ? 0 : (lanes * 1_000) / pace
  const lane = async (number: number): Promise<void> => {
    const start = performance.now() + (gapMs * number) / lanes
    for (let at = 0; !over; at++) {
      const due = gapMs === 0 ? performance.now() : start + at * gapMs
      const early = due - performance.now()
      if (early > 0) await new Promise((resolve) => void setTimeout(resolve, early))
      const from = early > 0 ? performance.now() : due
      await call(number, at)
      took.push(performance.now() - from)
    }
  }
  const running = Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)))
  await Promise.race([warm(() => took.length), running])
  took = []
  const before = {
    api: processorSeconds(apiPid),
    postgres: familySeconds(postgresPid),
    at: performance.now(),
  }
  await Promise.race([waited(seconds * 1_000), running])
  const count = took.length
  const elapsed = (performance.now() - before.at) / 1_000
  const apiUs = ((processorSeconds(apiPid) - before.api) * 1e6) / count
  const postgresUs = ((familySeconds(postgresPid) - before.postgres) * 1e6) / count
  over = true
  const sorted = took.slice(0, count).sort((a, b) => a - b)
  await running
  return {
    perSecond: count / elapsed,
    medianMs: sorted[Math.floor(count / 2)] ?? 0,
    p99Ms: sorted[Math.floor(count * 0.99)] ?? 0,
    apiUs,
    postgresUs,
  }
}

/** Code is compiled and statements are planned as they are used; a busy machine takes its time for it. */
async function warm(count: () => number): Promise<void> {
  const latest = performance.now() + WARM_MS_MAX
  do await waited(WARM_MS_MIN)
  while (count() < WARM_CALLS && performance.now() < latest)
}

const WARM_CALLS = 3_000
const WARM_MS_MIN = 1_000
const WARM_MS_MAX = 15_000

function waited(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms))
}
