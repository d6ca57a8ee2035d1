// What an object store's latency costs: 100 dirty files stored by an explicit flush, and cold reads, against a real S3 server
// behind a proxy that waits 12 ms before each GET and 25 ms before each PUT. `node bench/dist/object-store-latency.js`
import { randomUUID } from 'node:crypto'
import {
  loadServices,
  objectStoreUrl,
  S3_LATENCY,
  startS3FaultProxy,
  temporaryDirectory,
} from '@agentfs/testkit'
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
  const rows: { ms: number; puts: number }[] = []
  const fresh: { ms: number; puts: number }[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await service.client.createAgent({ name: `bench-${round}` })
    const agent = service.client.agent(`bench-${round}`)
    fresh.push(await flushed(agent, 'new '))
    rows.push(await flushed(agent, 'changed '))
  }
  // Another process has nothing in memory.
  await service.program.stop()
  const again = await startService(scratch.path, environment, service.key)
  const cold: number[] = []
  proxy.forget()
  for (let at = 0; at < FILES; at++) {
    const from = performance.now()
    await again.client.agent('bench-0').files.readText(`f${at}.md`)
    cold.push(performance.now() - from)
  }
  const gets = proxy.count('GET')
  await again.program.stop()
  const cells = (name: string, values: readonly number[], puts: string): string[] => [
    name,
    `${median(values).toFixed(0)} ms`,
    `${Math.max(...values).toFixed(0)} ms`,
    puts,
  ]
  const times = (all: typeof rows): number[] => all.map(({ ms }) => ms)
  const putsOf = (all: typeof rows): string => `${median(all.map(({ puts }) => puts))} PUTs`
  process.stdout.write(
    `${markdownTable(
      ['', 'median', 'worst', 'requests'],
      [
        cells('100 new files stored, from the flush', times(fresh), putsOf(fresh)),
        cells('100 changed files stored, from the flush', times(rows), putsOf(rows)),
        cells('read 1 KB, cold', cold, `${(gets / FILES).toFixed(2)} GETs each`),
      ],
    )}\n`,
  )
} finally {
  await service.program.stop()
  await proxy.close()
  await scratch.remove()
}
