// What an object store's latency costs: 100 dirty files stored by an explicit flush, and cold reads, against a real S3 server
// behind a proxy that waits 12 ms before each GET and 25 ms before each PUT. The bare request of the same size is taken beside
// each round: on a busy machine the ratio says more than the milliseconds. `node bench/dist/object-store-latency.js`
import { randomBytes, randomUUID } from 'node:crypto'
import {
  loadServices,
  objectStoreUrl,
  S3_LATENCY,
  startS3FaultProxy,
  temporaryDirectory,
} from '@agentfs/testkit'
import { BareS3 } from './bare-s3.js'
import { median } from './operations.js'
import { startService } from './running-service.js'
import { markdownTable } from './table.js'

const ROUNDS = 9
const FILES = 100
const BODY = 'x'.repeat(1_024)

const server = loadServices().s3.versitygw
const proxy = await startS3FaultProxy(server.endpoint, { latency: S3_LATENCY.sameRegion, seed: 1 })
const scratch = await temporaryDirectory('bench')
const objects = new URL(objectStoreUrl(server, `bench-${randomUUID()}`))
objects.searchParams.set('endpoint', proxy.url)
const environment = {
  OBJECT_STORE: objects.href,
  AWS_ACCESS_KEY_ID: server.accessKeyId,
  AWS_SECRET_ACCESS_KEY: server.secretAccessKey,
}

/** What a segment of 100 files comes to, and a version's manifest with its part. */
const SEGMENT = randomBytes(200_000)
const WINDOW_BYTES = 1_500

const bare = new BareS3({ ...server, endpoint: proxy.url })

async function timed(call: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await call()
  return performance.now() - from
}

/** Writes 100 files of 1 KB, then measures from the call of the flush to its answer. */
async function flushed(
  agent: ReturnType<typeof service.client.agent>,
  text: string,
): Promise<{ ms: number; puts: number }> {
  for (let at = 0; at < FILES; at += 10) {
    const names = Array.from({ length: 10 }, (_, index) => `f${at + index}.md`)
    await Promise.all(names.map((name) => agent.files.write(name, text + BODY)))
  }
  proxy.forget()
  const from = performance.now()
  await agent.flush({ until: 'stored' })
  return { ms: performance.now() - from, puts: proxy.count('PUT') }
}

const service = await startService(scratch.path, environment)
try {
  const barePuts: number[] = []
  const bareGets: number[] = []
  const one = `bare/${randomUUID()}`
  await bare.put(one, SEGMENT)
  const rows: { ms: number; puts: number }[] = []
  const fresh: { ms: number; puts: number }[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await service.client.createAgent({ name: `bench-${round}` })
    const agent = service.client.agent(`bench-${round}`)
    fresh.push(await flushed(agent, 'new '))
    rows.push(await flushed(agent, 'changed '))
    for (let count = 0; count < 5; count++) {
      barePuts.push(await timed(() => bare.put(`bare/${randomUUID()}`, SEGMENT)))
    }
  }
  // Another process has nothing in memory.
  await service.program.stop()
  const again = await startService(scratch.path, environment, service.key)
  const cold: number[] = []
  let gets = 0
  for (let at = 0; at < FILES; at++) {
    proxy.forget()
    cold.push(await timed(() => again.client.agent('bench-0').files.readText(`f${at}.md`)))
    gets += proxy.count('GET')
    bareGets.push(await timed(() => bare.getRange(one, at, WINDOW_BYTES)))
  }
  await again.program.stop()
  const cells = (
    name: string,
    values: readonly number[],
    bareMs: readonly number[],
    requests: string,
  ): string[] => [
    name,
    `${median(values).toFixed(0)} ms`,
    `${Math.min(...values).toFixed(0)} ms`,
    `${Math.max(...values).toFixed(0)} ms`,
    `${(median(values) / median(bareMs)).toFixed(1)}x`,
    requests,
  ]
  const times = (all: typeof rows): number[] => all.map(({ ms }) => ms)
  const putsOf = (all: typeof rows): string => `${median(all.map(({ puts }) => puts))} PUTs`
  process.stdout.write(
    `${markdownTable(
      ['', 'median', 'best', 'worst', 'of the bare request', 'requests'],
      [
        cells('a bare PUT of 200 KB', barePuts, barePuts, '1 PUT'),
        cells('100 new files stored, from the flush', times(fresh), barePuts, putsOf(fresh)),
        cells('100 changed files stored, from the flush', times(rows), barePuts, putsOf(rows)),
        cells('a bare GET of 1.5 KB', bareGets, bareGets, '1 GET'),
        cells('read 1 KB, cold', cold, bareGets, `${(gets / FILES).toFixed(2)} GETs each`),
      ],
    )}\n`,
  )
} finally {
  await service.program.stop()
  bare.close()
  await proxy.close()
  await scratch.remove()
}
