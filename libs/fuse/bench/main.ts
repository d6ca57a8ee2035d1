import { execFile } from 'node:child_process'
import { mkdtemp, rmdir } from 'node:fs/promises'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Mounted } from '../test/mounted.js'
import type { ServeOptions } from '../test/serve-messages.js'

// The reference filesystem against the temporary folder's own filesystem, in the same run, interleaved;
// medians. `tsc -b libs/fuse/bench && node libs/fuse/dist/bench/main.js [rounds]`

const ROUNDS = Number(process.argv[2] ?? 3)
const WORKLOAD = fileURLToPath(new URL('./workload.js', import.meta.url))
const DAY_MS = 86_400_000
const CACHED = { entryValidMs: DAY_MS, attrValidMs: DAY_MS, keepCache: true }
const NO_OPEN: ServeOptions['without'] = ['statx', 'open', 'flush']

const SETUPS: Record<string, Partial<ServeOptions> | undefined> = {
  'local disk': undefined,
  'nothing cached': {},
  'lifetimes, KEEP_CACHE, NOFLUSH': CACHED,
  '… no spinning': { ...CACHED, spinUs: 0 },
  '… OPEN answered ENOSYS': { ...CACHED, without: NO_OPEN },
}

type Figures = Record<string, number>
const figures = new Map<string, Figures[]>()
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [name, options] of Object.entries(SETUPS)) {
    const measured = options === undefined ? await onDisk() : await onMount(options)
    figures.set(name, [...(figures.get(name) ?? []), measured])
  }
}

const operations = Object.keys(figures.get('local disk')?.[0] ?? {})
const lines = [
  `Linux ${release()}, ${cpus().length} x ${cpus()[0]?.model ?? '?'}, Node ${process.version}, median of ${ROUNDS}; microseconds unless said`,
  '',
  `| | ${Object.keys(SETUPS).join(' | ')} |`,
  `|---${'|---'.repeat(Object.keys(SETUPS).length)}|`,
  ...operations.map((operation) => `| ${operation} | ${row(operation).join(' | ')} |`),
]
process.stdout.write(`${lines.join('\n')}\n`)

function row(operation: string): string[] {
  return Object.keys(SETUPS).map((name) => {
    const sorted = (figures.get(name) ?? [])
      .map((measured) => measured[operation] ?? Number.NaN)
      .sort((a, b) => a - b)
    const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
    return median < 100 ? median.toFixed(1) : median.toFixed(0)
  })
}

async function onDisk(): Promise<Figures> {
  const dir = await mkdtemp(join(tmpdir(), 'fuse-bench-'))
  try {
    return await workload(dir)
  } finally {
    await rmdir(dir)
  }
}

async function onMount(options: Partial<ServeOptions>): Promise<Figures> {
  const mounted = await Mounted.start(options)
  try {
    return await workload(mounted.dir)
  } finally {
    await mounted.stop()
  }
}

async function workload(dir: string): Promise<Figures> {
  const { stdout } = await promisify(execFile)(process.execPath, [WORKLOAD, dir], { cwd: '/' })
  return JSON.parse(stdout) as Figures
}
