import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rmdir } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { EXIT } from '../exit-codes.js'
import type { CommandContext } from './context.js'
import type { LeaveOutcome } from '../mount/mount-session.js'
import { startMount, unpushedText, type MountOptions, type RunningMount } from './mount.js'

const FLUSH_MS = 30_000
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** run: mount, run a command in it, push, unmount. */
export async function run(
  context: CommandContext,
  argv: string[],
  options: MountOptions & { dir?: string },
): Promise<void> {
  const own = options.dir === undefined
  const directory = options.dir ?? (await mkdtemp(join(tmpdir(), 'agentfs-run-')))
  try {
    process.exitCode = await runMounted(context, argv, directory, options)
  } finally {
    if (own) await rmdir(directory).catch(() => undefined)
  }
}

async function runMounted(
  context: CommandContext,
  argv: readonly string[],
  directory: string,
  options: MountOptions,
): Promise<number> {
  const running = await startMount(context, directory, options)
  context.output.progressEnd()
  const { variables } = context.settings.environment
  let code: number
  try {
    code = await runCommand(argv, running.session.directory, variables)
  } catch (error) {
    const known = notStarted(error, argv[0] ?? '', variables['PATH'] ?? '')
    if (known === undefined) {
      await leave(running)
      throw error
    }
    context.output.note(`${argv[0]}: ${known.reason}`)
    code = known.code
  }
  const { remaining } = await leave(running)
  if (remaining.length === 0) return code
  context.output.note(unpushedText(remaining))
  return code === 0 ? EXIT.unpushed : code
}

/** Pushes and unmounts; a signal ends the waiting, and not this process, which would leave the mount behind. */
async function leave(running: RunningMount): Promise<LeaveOutcome> {
  const hurry = (): void => void running.leave(0)
  for (const signal of FORWARDED) process.on(signal, hurry)
  try {
    return await running.leave(FLUSH_MS)
  } finally {
    for (const signal of FORWARDED) process.removeListener(signal, hurry)
  }
}

/** What a shell answers for a command that cannot be started. */
function notStarted(
  error: unknown,
  command: string,
  path: string,
): { code: number; reason: string } | undefined {
  const cause = (error as NodeJS.ErrnoException).code
  if (cause !== 'ENOENT' && cause !== 'EACCES') return undefined
  // A folder of PATH that may not be searched makes EACCES of a name that stands nowhere.
  const stands = command.includes('/') || path.split(delimiter).some((it) => existsSync(join(it, command)))
  return cause === 'ENOENT' || !stands
    ? { code: 127, reason: 'there is no such command' }
    : { code: 126, reason: 'it cannot be executed' }
}

/** Runs a command in the mount; signals go on to it, and its exit status comes back (128 + n for a signal). */
async function runCommand(
  argv: readonly string[],
  directory: string,
  variables: NodeJS.ProcessEnv,
): Promise<number> {
  const [command, ...args] = argv
  const child = spawn(command ?? '', args, {
    cwd: directory,
    stdio: 'inherit',
    env: { ...variables, AGENTFS_DIR: directory },
  })
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal)
  for (const signal of FORWARDED) process.on(signal, forward)
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal])
  } finally {
    for (const signal of FORWARDED) process.removeListener(signal, forward)
  }
}
