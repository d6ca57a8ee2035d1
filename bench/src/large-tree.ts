// A mount of many files: how long the first one takes on a machine that knows nothing, how long the next, until `ls` has
// answered, and how much memory the client holds after every name was looked at. `node bench/dist/large-tree.js [FILES]`,
// 100000 where nothing is said. The files go in through the sync route, in large pushes.
import { spawnSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packMessage, type AgentHandle } from '@agentfs/sdk'
import { temporaryDirectory } from '@agentfs/testkit'
import { type Program, startMount, startService } from './running-service.js'
import { markdownTable } from './table.js'

const FILES = Number(process.argv[2] ?? 100_000)
const FILES_PER_DIRECTORY = 100
const OPERATIONS_PER_PUSH = 1_000
const BODY = new Uint8Array(200).fill(120)
const AGENT = 'bench-mount'

/** Directories of 100 files of 200 bytes each; files a second. */
async function fill(agent: AgentHandle, root: string, epoch: number): Promise<number> {
  const from = performance.now()
  const store = randomUUID()
  let number = 0
  let previous: string | null = null
  let operations: unknown[] = []
  const flush = async (): Promise<void> => {
    const body = packMessage({ store, number: ++number, previous, operations })
    operations = []
    previous = createHash('sha256').update(body).digest('hex')
    const { results } = await agent.sync.push(body, epoch)
    const refused = results.find(({ status }) => status !== 'applied')
    if (refused !== undefined) throw new Error(`the service did not apply it: ${JSON.stringify(refused)}`)
  }
  let parent = root
  for (let at = 0; at < FILES; at++) {
    if (at % FILES_PER_DIRECTORY === 0) {
      parent = randomUUID()
      const name = `directory-${String(at / FILES_PER_DIRECTORY).padStart(5, '0')}`
      operations.push({ op: 'create', node: parent, kind: 'directory', parent: root, name })
    }
    const node = randomUUID()
    operations.push({
      op: 'create',
      node,
      kind: 'file',
      parent,
      name: `note-${String(at).padStart(6, '0')}.md`,
    })
    operations.push({
      op: 'write',
      node,
      base: null,
      version: randomUUID(),
      size: BODY.length,
      extents: [{ offset: 0, data: BODY }],
    })
    if (operations.length >= OPERATIONS_PER_PUSH - 3) await flush()
  }
  if (operations.length > 0) await flush()
  return FILES / ((performance.now() - from) / 1_000)
}

/** Mounts, and answers how long it took until the first `ls` had answered. */
async function mounted(
  scratch: string,
  service: { url: string; key: string },
): Promise<{ program: Program; directory: string; ms: number }> {
  const from = performance.now()
  const mount = await startMount(scratch, 'client', service)
  list('ls', mount.directory)
  return { ...mount, ms: performance.now() - from }
}

/** Runs a command that lists a directory; how many lines it printed. */
function list(command: string, directory: string): number {
  const done = spawnSync(command, [directory], { encoding: 'utf8', maxBuffer: 2 ** 30 })
  if (done.status !== 0) throw new Error(`${command}: ${done.stderr}`)
  return done.stdout.split('\n').length - 1
}

/** The same in the background, where memory counts for more than the last per cent of speed; MiB after every name was listed. */
function backgroundMiB(scratch: string, service: { url: string; key: string }): number {
  const home = join(scratch, 'client')
  const directory = join(home, 'memory')
  const client = (...args: string[]): string => {
    const script = join(import.meta.dirname, '../../apps/agent-client/bin/agentfs-client.mjs')
    const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: home, AGENTFS_AGENT: AGENT }
    const done = spawnSync(process.execPath, [script, ...args], {
      env: { ...environment, AGENTFS_URL: service.url, AGENTFS_TOKEN: service.key },
      encoding: 'utf8',
    })
    if (done.status !== 0) throw new Error(`${args[0]}: ${done.stderr}`)
    return done.stdout
  }
  const { pid } = JSON.parse(client('mount', directory, '--daemon', '--json')) as { pid: number }
  try {
    list('find', directory)
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
  } finally {
    client('unmount', directory)
  }
}

const scratch = await temporaryDirectory('bench-tree')
const service = await startService(scratch.path)
const programs: Program[] = [service.program]
try {
  const { root, epoch } = await service.client.createAgent({ name: AGENT })
  const perSecond = await fill(service.client.agent(AGENT), root, epoch)
  const first = await mounted(scratch.path, service)
  programs.unshift(first.program)
  const seen = list('find', first.directory)
  const firstMiB = first.program.residentMiB()
  await first.program.stop()
  const again: number[] = []
  for (let round = 0; round < 3; round++) {
    const next = await mounted(scratch.path, service)
    programs.unshift(next.program)
    again.push(next.ms)
    await next.program.stop()
  }
  const background = backgroundMiB(scratch.path, service)
  const rows = [
    ['pushed in commits of 1,000 operations', `${Math.round(perSecond)} files/s`, ''],
    [`mount of ${FILES} files, first, to the first ls`, `${(first.ms / 1_000).toFixed(2)} s`, '<= 5 s'],
    ['the same again, the best of 3', `${(Math.min(...again) / 1_000).toFixed(2)} s`, '<= 0.5 s'],
    [`memory after listing ${seen} names, foreground`, `${firstMiB.toFixed(0)} MiB`, ''],
    [
      'memory in the background',
      `${background.toFixed(0)} MiB`,
      FILES <= 10_000 ? '<= 150 MiB' : '<= 300 MiB',
    ],
  ]
  console.log(markdownTable(['operation', 'measured', 'goal'], rows))
} finally {
  for (const program of programs) await program.stop()
  await scratch.remove()
}
