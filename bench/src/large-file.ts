// One large file in and out of a standalone service, over REST and through a mount: MB/s by the clock and by the processor
// time that each process took (what a machine without other work would reach with one core), and how much memory each
// gained. `node bench/dist/large-file.js [MiB] [rest | mount]`, 2048 and both where nothing is said; the disk needs three
// times as much.
import { execFile } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { createReadStream, createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { type Program, startMount, startService } from './running-service.js'

const MIB = 1_048_576
const execute = promisify(execFile)
/** USER_HZ, which Linux shows to programs as 100 on every architecture of ours. */
const TICKS_PER_SECOND = 100
const mib = Number(process.argv[2] ?? 2048)
const only = process.argv[3]
const scratch = mkdtempSync(join(tmpdir(), 'agentfs-large-'))

/** Random bytes in pieces of 1 MiB, no two of them alike. */
async function* content(count: number): AsyncGenerator<Uint8Array> {
  const block = randomFillSync(Buffer.alloc(MIB))
  for (let index = 0; index < count; index++) {
    block.writeUInt32BE(index, 0)
    yield Buffer.from(block)
    await Promise.resolve()
  }
}

/** Runs something, and says how fast it was and how far the memory of some processes rose above where it began. */
async function measured(
  name: string,
  watched: Readonly<Record<string, Program>>,
  run: () => Promise<unknown>,
): Promise<void> {
  const before = new Map(Object.entries(watched).map(([who, program]) => [who, program.residentMiB()]))
  const peak = new Map(before)
  const cpu = new Map(
    Object.entries(watched).map(([who, program]) => [who, processorSeconds(program.child.pid)]),
  )
  const look = setInterval(() => {
    for (const [who, program] of Object.entries(watched))
      peak.set(who, Math.max(peak.get(who) ?? 0, program.residentMiB()))
  }, 100)
  const from = performance.now()
  try {
    await run()
  } finally {
    clearInterval(look)
  }
  const seconds = (performance.now() - from) / 1000
  const megabytes = (mib * MIB) / 1e6
  const memory = [...peak].map(([who, most]) => {
    const start = before.get(who) ?? 0
    const took = processorSeconds(watched[who]?.child.pid) - (cpu.get(who) ?? 0)
    const gained = `${start.toFixed(0)} MiB, at most +${(most - start).toFixed(0)}`
    return `${who} ${gained}, ${took.toFixed(1)} s of processor (${(megabytes / took).toFixed(0)} MB/s)`
  })
  console.log(
    `${name}: ${(megabytes / seconds).toFixed(0)} MB/s (${seconds.toFixed(1)} s); ${memory.join('; ')}; load ${loadavg()[0]?.toFixed(0)}`,
  )
}

/** Processor time of one process so far, all of its threads. */
function processorSeconds(pid: number | undefined): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const [, user, system] = /\) \S(?: -?\d+){10} (\d+) (\d+)/.exec(text) ?? []
  return (Number(user) + Number(system)) / TICKS_PER_SECOND
}

const service = await startService(scratch)
let mount: Awaited<ReturnType<typeof startMount>> | undefined
try {
  const files = service.client.agent('bench-mount').files
  await service.client.createAgent({ name: 'bench-mount' })
  // What a first request loads is not what a large file costs.
  await files.write('warm', new Uint8Array(8 * MIB), { timeoutMs: 60_000 })
  await files.read('warm')
  const watched = { service: service.program }
  const timeoutMs = 3_600_000
  if (only !== 'mount') {
    await measured('REST in', watched, () =>
      files.write('large', Readable.toWeb(Readable.from(content(mib))) as ReadableStream<Uint8Array>, {
        timeoutMs,
      }),
    )
    await measured('REST out', watched, async () => {
      const answer = await files.open('large', { timeoutMs })
      if (answer.body === null) throw new Error('no body')
      await pipeline(Readable.fromWeb(answer.body as never), createWriteStream('/dev/null'))
    })
    await files.remove('large')
  }
  if (only !== 'rest') {
    mount = await startMount(scratch, 'client', service, ['--cache-size=256M', '--journal-size=1G'])
    const both = { ...watched, mount: mount.program }
    const path = join(mount.directory, 'large')
    const { directory } = mount
    await measured('mount in, until acknowledged', both, async () => {
      const file = await open(path, 'w')
      for await (const piece of content(mib)) await file.write(piece)
      await file.close()
      const cli = join(import.meta.dirname, '../../apps/agent-client/bin/agentfs-client.mjs')
      const home = join(scratch, 'client')
      await execute(process.execPath, [cli, 'sync', directory, '--timeout', '7200'], { env: { HOME: home } })
    })
    await measured('mount out', both, () =>
      pipeline(createReadStream(path, { highWaterMark: MIB }), createWriteStream('/dev/null')),
    )
  }
  console.log(
    `machine: ${/model name\s*: (.*)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown'}`,
  )
} finally {
  await mount?.program.stop()
  await service.program.stop()
  rmSync(scratch, { recursive: true, force: true })
}
