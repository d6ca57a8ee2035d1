import { drive, type LoadResult, type Measured } from './load.js'
import { Lane, requestBytes } from './lane.js'
import { PushingStore } from './push-body.js'
import { type Home, makeTenant } from './tenants.js'

/** One line of the table. */
export interface RestRow extends LoadResult {
  readonly operation: string
  readonly goal: string
}

const CONTENT = Buffer.alloc(1_024, 'x')
const FILES_PER_PUSH = 100
const GET_LANES = 32

/** The loads on a service that runs at `url`; those whose name holds `only`, or all. */
export async function measureRest(
  url: string,
  measured: Measured,
  seconds: number,
  only: string,
): Promise<RestRow[]> {
  const homes = await makeTenant(url, 'bench', 16)
  const loads: readonly Load[] = [
    { operation: 'GET 1 KB', goal: '>= 5,000/s', run: () => reads(homes) },
    {
      operation: 'GET 1 KB at 2,500/s',
      goal: 'p99 <= 20 ms',
      run: () => reads(homes, 2_500),
    },
    { operation: 'PUT 1 KB, one agent', goal: '>= 300/s', run: () => writes(homes.slice(0, 1), 8) },
    { operation: 'PUT 1 KB, 16 agents of one tenant', goal: '>= 800/s', run: () => writes(homes, 16) },
    {
      operation: 'PUT 1 KB, 32 tenants',
      goal: '>= 1,500/s',
      run: async () => writes(await makeTenants(url, 32), 32),
    },
    {
      operation: 'sync push of 100 x 1 KB, 8 clients',
      goal: '>= 100/s',
      run: () => pushes(homes.slice(0, 8)),
    },
  ]
  const rows: RestRow[] = []
  for (const { operation, goal, run } of loads.filter((load) => load.operation.includes(only))) {
    const calls = await run()
    const { lanes, pace } = calls
    const options = { lanes, seconds, ...(pace === undefined ? {} : { pace }) }
    const result = await sendOver(url, calls, (send) => drive(options, measured, send))
    rows.push({ operation, goal, ...result })
  }
  return rows
}

/** Gives `work` a way to send the calls of each lane over a connection of its own. */
export async function sendOver<T>(
  url: string,
  { lanes, call }: Calls,
  work: (send: (lane: number, at: number) => Promise<Buffer>) => Promise<T>,
): Promise<T> {
  const open = await Promise.all(Array.from({ length: lanes }, () => Lane.open(url)))
  try {
    return await work((lane, at) => pick(open, lane).send(call(lane, at)))
  } finally {
    for (const lane of open) lane.close()
  }
}

interface Load {
  readonly operation: string
  readonly goal: string
  readonly run: () => Promise<Calls> | Calls
}

/** What is sent: `lanes` connections, each with one call under way, `pace` calls a second over all where that is set. */
export interface Calls {
  readonly lanes: number
  readonly pace?: number
  readonly call: (lane: number, at: number) => Buffer
}

/** Every lane reads files of an agent of its own, 16 files over and over. */
export async function reads(homes: readonly Home[], pace?: number): Promise<Calls> {
  const names = Array.from({ length: 16 }, (_, at) => `read-${at}.md`)
  const requests: Buffer[][] = []
  for (const home of homes) {
    const lane = await Lane.open(home.url)
    for (const name of names) await lane.send(put(home, name))
    lane.close()
    requests.push(names.map((name) => requestBytes('GET', pathOf(home, name), authorised(home))))
  }
  return {
    lanes: GET_LANES,
    ...(pace === undefined ? {} : { pace }),
    call: (lane, at) => pick(pick(requests, lane), at),
  }
}

/** Every lane creates files of new names in the agent it is for. */
export function writes(homes: readonly Home[], lanes: number): Calls {
  const run = Date.now().toString(36)
  return { lanes, call: (lane, at) => put(pick(homes, lane), `put-${run}-${lane}-${at}.md`) }
}

function pushes(homes: readonly Home[]): Calls {
  const stores = homes.map(({ agentId, rootId, key }) => new PushingStore(agentId, rootId, key))
  return { lanes: stores.length, call: (lane) => pick(stores, lane).next(FILES_PER_PUSH, CONTENT) }
}

async function makeTenants(url: string, count: number): Promise<Home[]> {
  const homes: Home[] = []
  for (let at = 0; at < count; at++) homes.push(...(await makeTenant(url, `bench-${at}`, 1)))
  return homes
}

function put(home: Home, name: string): Buffer {
  const headers = { ...authorised(home), 'content-type': 'text/markdown' }
  return requestBytes('PUT', pathOf(home, name), headers, CONTENT)
}

function pathOf({ agentId }: Home, name: string): string {
  return `/v1/agents/${agentId}/files/${name}`
}

function authorised({ key }: Home): Record<string, string> {
  return { authorization: `Bearer ${key}` }
}

function pick<T>(all: readonly T[], at: number): T {
  const found = all[at % all.length]
  if (found === undefined) throw new Error('nothing to pick from')
  return found
}
