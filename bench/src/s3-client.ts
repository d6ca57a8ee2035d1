// What the S3 client costs for each call: our adapter, with and without a CRC32 of each PUT, beside Node's HTTP client with a
// signature by hand, on the real servers. The CPU time is this process's own, so that a busy machine matters little.
// `node bench/dist/s3-client.js`
import { randomBytes, randomUUID } from 'node:crypto'
import { S3ObjectStore } from '@agentfs/storage'
import { loadServices } from '@agentfs/testkit'
import { BareS3 } from './bare-s3.js'
import { median } from './operations.js'
import { markdownTable } from './table.js'

const BODY = randomBytes(1_024)
const ROUNDS = 5
const CALLS = 96
const LANES = [1, 16] as const

interface Subject {
  readonly name: string
  put(key: string): Promise<unknown>
  get(key: string): Promise<unknown>
}

interface Cost {
  readonly wallMs: number
  readonly cpuMs: number
}

async function cost(lanes: number, call: () => Promise<unknown>): Promise<Cost> {
  const cpu = process.cpuUsage()
  const from = performance.now()
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (let count = 0; count < CALLS / lanes; count++) await call()
    }),
  )
  const { user, system } = process.cpuUsage(cpu)
  const calls = Math.ceil(CALLS / lanes) * lanes
  return { wallMs: (performance.now() - from) / calls, cpuMs: (user + system) / 1_000 / calls }
}

const rows: string[][] = []
for (const [server, service] of Object.entries(loadServices().s3)) {
  const prefix = `bench-${randomUUID()}`
  const bare = new BareS3(service)
  const adapter = (checksums: 'supported' | 'required'): S3ObjectStore => {
    const { bucket, endpoint, region } = service
    return new S3ObjectStore({ bucket, prefix, endpoint, region, pathStyle: true, checksums }, service)
  }
  const stores = [adapter('supported'), adapter('required')] as const
  const subject = (name: string, store: S3ObjectStore): Subject => ({
    name,
    put: (key) => store.put(key, BODY),
    get: (key) => store.getRange(key, 0, BODY.length),
  })
  const subjects: Subject[] = [
    {
      name: 'HTTP and a signature by hand',
      put: (key) => bare.put(`${prefix}/${key}`, BODY),
      get: (key) => bare.getRange(`${prefix}/${key}`, 0, BODY.length),
    },
    subject('our adapter', stores[0]),
    subject('our adapter, checksums=required', stores[1]),
  ]
  await stores[0].put('one', BODY)
  for (const lanes of LANES) {
    for (const operation of ['put', 'get'] as const) {
      const costs = new Map<string, Cost[]>(subjects.map(({ name }) => [name, []]))
      // In turns, the first for nothing: what else the machine does, and a cold start, must meet all alike.
      for (let round = 0; round <= ROUNDS; round++) {
        for (const one of subjects) {
          const measured = await cost(lanes, () => one[operation]('one'))
          if (round > 0) costs.get(one.name)?.push(measured)
        }
      }
      for (const [name, all] of costs) {
        rows.push([
          server,
          `${operation.toUpperCase()} 1 KB, ${lanes} at a time`,
          name,
          `${median(all.map(({ cpuMs }) => cpuMs)).toFixed(2)} ms`,
          `${median(all.map(({ wallMs }) => wallMs)).toFixed(2)} ms`,
        ])
      }
    }
  }
  await stores[0].delete('one')
  await Promise.all(stores.map((store) => store.close()))
  bare.close()
}
process.stdout.write(
  `${markdownTable(['server', 'call', 'client', 'CPU of the client a call', 'time a call'], rows)}\n`,
)
