import type { AgentfsClient } from '@agentfs/sdk'
import { median } from './operations.js'

/** A rate or a time of the service, with the goal it is held against. */
export interface ServiceRow {
  readonly operation: string
  readonly value: string
  readonly goal: string
}

const KIB = new Uint8Array(1024).fill(120)

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

/** The table of the service: reads and writes over REST. The client shares the two cores. */
export async function measureService(client: AgentfsClient): Promise<ServiceRow[]> {
  const shown = (it: { perSecond: number; p99Ms: number; medianMs: number }): string =>
    `${Math.round(it.perSecond)}/s, median ${it.medianMs.toFixed(1)} ms, p99 ${it.p99Ms.toFixed(1)} ms`
  const names = Array.from({ length: 16 }, (_, at) => `bench-${at}`)
  for (const name of names) await client.createAgent({ name })
  const one = client.agent('bench-0').files
  await one.write('read.md', KIB)
  return [
    {
      operation: 'GET 1 KB over REST, 16 lanes',
      value: shown(await rate(16, 4, () => one.read('read.md'))),
      goal: '>= 5,000/s',
    },
    {
      operation: 'PUT 1 KB over REST, one agent, 8 lanes',
      value: shown(await rate(8, 4, (lane, at) => one.write(`put-${lane}-${at}.md`, KIB))),
      goal: '>= 300/s',
    },
    {
      operation: 'PUT 1 KB over REST, 16 agents of one tenant',
      value: shown(
        await rate(16, 4, (lane, at) => client.agent(names[lane] ?? '').files.write(`p-${at}.md`, KIB)),
      ),
      goal: '>= 800/s',
    },
  ]
}
