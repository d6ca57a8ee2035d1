import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rmdir } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { EXIT } from '../exit-codes.js'
import { action, type CommandContext } from './context.js'
import { addMountOptions, startMount, unpushedText, type MountOptions } from './mount.js'

const FLUSH_MS = 30_000
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

async function run(
  context: CommandContext,
  argv: string[],
  options: MountOptions & { dir?: string },
): Promise<void> {
  const own = options.dir === undefined
  const directory = options.dir ?? (await mkdtemp(join(tmpdir(), 'agentfs-run-')))
  const running = await startMount(context, directory, options)
  context.output.progressEnd()
  let code: number
  try {
    code = await runCommand(argv, running.session.directory, context.settings.environment.variables)
  } catch (error) {
    await running.leave(FLUSH_MS)
    throw error
  }
  const { remaining } = await running.leave(FLUSH_MS)
  if (own) await rmdir(directory).catch(() => undefined)
  if (remaining.length > 0) {
    context.output.note(unpushedText(remaining))
    if (code === 0) code = EXIT.unpushed
  }
  process.exitCode = code
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

/** run: mount, run a command in it, push, unmount. */
export function addRunCommand(program: Command): void {
  addMountOptions(
    program
      .command('run <command...>')
      .description("run a command in an agent's home, and push what it wrote")
      .option('--dir <dir>', 'where to mount; a temporary folder where absent'),
  ).action(action(run))
}
