import { cpus } from 'node:os'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from '@agentfs/testkit'
import { runScript } from './child.js'
import { fuseNativeLibraryPath } from './fuse-native-hello.js'
import { Program, startMount, startService } from './running-service.js'
import { median, type Measurement } from './operations.js'
import { measureService, type ServiceRow } from './service-table.js'
import { markdownTable } from './table.js'

const FILES = 1_000
const TRANSFER_MIB = 256
const PROPAGATION_ROUNDS = 100

type Column = { readonly name: string; readonly rows: readonly Measurement[] }

const note = (text: string): void => void process.stderr.write(`${text}\n`)

async function measureOn(directory: string): Promise<Measurement[]> {
  return JSON.parse(
    await runScript('./measure-child.js', [directory, String(FILES), String(TRANSFER_MIB)]),
  ) as Measurement[]
}

/** fuse-native's hello filesystem, where it loads; its absence is said and not hidden. */
async function measureFuseNative(scratch: string): Promise<Measurement[] | undefined> {
  const library = fuseNativeLibraryPath(join(scratch, 'fuse-native-lib'))
  if (library === undefined) return undefined
  const directory = join(scratch, 'fuse-native')
  mkdirSync(directory)
  const program = new Program('bench/dist/fuse-native-child.js', [directory], { LD_LIBRARY_PATH: library })
  try {
    await program.printed(/^mounted/m, 10_000)
    return JSON.parse(await runScript('./hello-child.js', [directory])) as Measurement[]
  } catch {
    return undefined
  } finally {
    await program.stop()
  }
}

function mountTable(columns: readonly Column[]): string {
  const [ours] = columns
  const rows = (ours?.rows ?? []).map(({ operation, unit }) => {
    const cells = columns.map(({ rows: measured }) => {
      const found = measured.find((it) => it.operation === operation)
      return found === undefined ? '-' : `${found.value.toFixed(found.value < 100 ? 1 : 0)} ${unit}`
    })
    return [operation, ...cells]
  })
  return markdownTable(['operation', ...columns.map((column) => column.name)], rows)
}

async function main(): Promise<void> {
  const scratch = await temporaryDirectory('bench')
  const json: Record<string, unknown> = {
    machine: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`,
  }
  const out: string[] = [`# Figures\n\nOn ${String(json['machine'])}. Medians of one run.`]
  note('starting the service')
  const service = await startService(scratch.path)
  const programs: Program[] = [service.program]
  try {
    const idleMiB = service.program.residentMiB()
    const here = await startMount(scratch.path, 'here', service)
    const there = await startMount(scratch.path, 'there', service)
    programs.unshift(here.program, there.program)

    note('remote changes')
    const took = JSON.parse(
      await runScript('./propagation-child.js', [
        here.directory,
        there.directory,
        String(PROPAGATION_ROUNDS),
      ]),
    ) as number[]
    const p99 = [...took].sort((a, b) => a - b)[Math.floor(took.length * 0.99)] ?? 0
    await there.program.stop()

    const columns: Column[] = []
    note('the mount')
    columns.push({ name: 'agentfs', rows: await measureOn(here.directory) })
    note('the local disk')
    const local = join(scratch.path, 'local')
    mkdirSync(local)
    columns.push({ name: 'local disk', rows: await measureOn(local) })
    const native = await measureFuseNative(scratch.path)
    if (native === undefined) note('fuse-native does not load here and is left out')
    else columns.push({ name: 'fuse-native hello', rows: native })
    out.push(`## The mount\n\n${mountTable(columns)}`)
    out.push(
      `A change on one mount shows on another after ${median(took).toFixed(1)} ms (median), ${p99.toFixed(1)} ms (p99 of ${took.length}).`,
    )
    const mountMiB = here.program.residentMiB()
    await here.program.stop()

    note('the service')
    const rows: ServiceRow[] = await measureService(service.url)
    out.push(
      `## The service\n\n${markdownTable(
        ['operation', 'measured', 'goal'],
        rows.map((it) => [it.operation, it.value, it.goal]),
      )}`,
    )
    out.push(
      `Memory: service idle ${idleMiB.toFixed(0)} MiB, mount after the run ${mountMiB.toFixed(0)} MiB. Start ${(service.startMs / 1_000).toFixed(1)} s from nothing.`,
    )
    Object.assign(json, {
      mount: columns,
      propagationMs: { median: median(took), p99 },
      service: rows,
      idleMiB,
      mountMiB,
    })
  } finally {
    for (const program of programs) await program.stop()
    await scratch.remove()
  }
  process.stdout.write(
    process.argv.includes('--json') ? `${JSON.stringify(json, null, 2)}\n` : `${out.join('\n\n')}\n`,
  )
}

await main()
