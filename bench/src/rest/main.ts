// The speed of the service's requests: one API process and a Postgres that syncs to disk, on this machine, driven over loopback
// by raw connections, beside the least that any such service costs.
// `node bench/dist/rest/main.js [--seconds=5] [--only=GET] [--profile=DIRECTORY]`
import { join } from 'node:path'
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { freePort, startPostgres, temporaryDirectory } from '@agentfs/testkit'
import { Program } from '../running-service.js'
import { markdownTable } from '../table.js'
import { Lane, requestBytes } from './lane.js'
import { drive, type LoadResult } from './load.js'
import { measureRest } from './workloads.js'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    profile: { type: 'string' },
  },
})
const seconds = Number(values.seconds)
const FLOOR_LANES = 32

// As the embedded one is: until tables are analyzed, joins read far too much.
const cluster = await startPostgres({ durable: true, settings: { autovacuum_naptime: '5s' } })
const scratch = await temporaryDirectory('bench')
const programs: Program[] = []
const rows: string[][] = []

function add(operation: string, goal: string, it: LoadResult): void {
  rows.push([
    operation,
    `${Math.round(it.perSecond)}/s`,
    `${it.medianMs.toFixed(1)} ms`,
    `${it.p99Ms.toFixed(1)} ms`,
    `${Math.round(it.apiUs)} us`,
    `${Math.round(it.postgresUs)} us`,
    goal,
  ])
}

function pidOf({ child }: Program): number {
  if (child.pid === undefined) throw new Error('the program has no process')
  return child.pid
}

async function measureFloor(postgresPid: number): Promise<void> {
  const database = await cluster.createDatabase()
  const floor = new Program('bench/dist/rest/floor-child.js', [database.url], {})
  programs.push(floor)
  await floor.printed(/^ready (\S+)/m)
  const url = /^ready (\S+)/m.exec(floor.text)?.[1] ?? ''
  for (const [operation, path] of [
    ['Fastify alone', '/'],
    ['Fastify and one select', '/select'],
  ] as const) {
    const lanes = await Promise.all(Array.from({ length: FLOOR_LANES }, () => Lane.open(url)))
    const request = requestBytes('GET', path, {})
    const options = { lanes: FLOOR_LANES, seconds }
    const measured = { apiPid: pidOf(floor), postgresPid }
    add(
      operation,
      '',
      await drive(
        options,
        measured,
        (lane) => lanes[lane]?.send(request) ?? Promise.reject(new Error('no such lane')),
      ),
    )
    for (const lane of lanes) lane.close()
  }
  await floor.stop()
}

async function startApi(): Promise<{ api: Program; url: string; startMs: number }> {
  const database = await cluster.createDatabase()
  const port = await freePort()
  const environment = {
    HOME: scratch.path,
    AGENTFS_HOME: join(scratch.path, 'service'),
    DATABASE_URL: database.url,
    PORT: String(port),
    METRICS_PORT: '0',
  }
  // The schema is made before, so that the start is that of a service that has one.
  const migrating = new Program('apps/server/bin/agentfs-server.mjs', ['migrate'], environment)
  await migrating.printed(/schema is/)
  await migrating.ended()
  const from = performance.now()
  const api = new Program('apps/server/bin/agentfs-server.mjs', ['start', '--role', 'api'], {
    ...environment,
    ...(values.profile === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${values.profile}` }),
  })
  programs.push(api)
  await api.printed(/^ready http/m)
  return { api, url: `http://127.0.0.1:${port}`, startMs: performance.now() - from }
}

try {
  const postgresPid = cluster.pid
  if (postgresPid === undefined) throw new Error('Postgres does not run')
  await measureFloor(postgresPid)
  const { api, url, startMs } = await startApi()
  const measured = { apiPid: pidOf(api), postgresPid }
  for (const row of await measureRest(url, measured, seconds, values.only)) add(row.operation, row.goal, row)
  const head = ['operation', 'rate', 'median', 'p99', 'API', 'Postgres', 'goal']
  process.stdout.write(
    `${markdownTable(head, rows)}\n\nAPI start ${(startMs / 1_000).toFixed(1)} s (goal 2 s). Load ${loadavg()[0]?.toFixed(1)}.\n`,
  )
} finally {
  for (const program of programs) await program.stop()
  await cluster.stop()
  await scratch.remove()
}
