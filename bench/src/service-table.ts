import { median } from './operations.js'
import { makeTenant } from './rest/tenants.js'
import { type Calls, reads, sendOver, writes } from './rest/workloads.js'

/** A rate or a time of the service, with the goal it is held against. */
export interface ServiceRow {
  readonly operation: string
  readonly value: string
  readonly goal: string
}

/** Runs calls from several lanes for a time; calls per second and the 99th percentile in milliseconds. */
async function rate(
  lanes: number,
  seconds: number,
  call: (lane: number, at: number) => Promise<unknown>,
): Promise<{ perSecond: number; p99Ms: number; medianMs: number }> {
  const took: number[] = []
  const until = performance.now() + seconds * 1_000
  const lane = async (number: number): Promise<void> => {
    for (let at = 0; performance.now() < until; at++) {
      const from = performance.now()
      await call(number, at)
      took.push(performance.now() - from)
    }
  }
  const from = performance.now()
  await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)))
  const elapsed = (performance.now() - from) / 1_000
  const sorted = took.sort((a, b) => a - b)
  return {
    perSecond: took.length / elapsed,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    medianMs: median(sorted),
  }
}

const WARM_SECONDS = 2
const SECONDS = 4

/** The table of the service: reads and writes over REST, by raw connections. Who asks shares the two cores. */
export async function measureService(url: string): Promise<ServiceRow[]> {
  const homes = await makeTenant(url, 'bench-rest', 16)
  const measured = async (operation: string, goal: string, calls: Calls): Promise<ServiceRow> => {
    const it = await sendOver(url, calls, async (send) => {
      await rate(calls.lanes, WARM_SECONDS, send)
      // What was written while it was warming up has its name.
      return rate(calls.lanes, SECONDS, (lane, at) => send(lane, at + WARMED_CALLS_MAX))
    })
    const value = `${Math.round(it.perSecond)}/s, median ${it.medianMs.toFixed(1)} ms, p99 ${it.p99Ms.toFixed(1)} ms`
    return { operation: `${operation}, ${calls.lanes} lanes`, value, goal }
  }
  return [
    await measured('GET 1 KB over REST', '>= 5,000/s', await reads(homes)),
    await measured('PUT 1 KB over REST, one agent', '>= 300/s', writes(homes.slice(0, 1), 8)),
    await measured('PUT 1 KB over REST, 16 agents of one tenant', '>= 800/s', writes(homes, 16)),
  ]
}

const WARMED_CALLS_MAX = 1_000_000
