import type { Command } from 'commander'
import { parseBytes, parseNumber } from '../terminal/parse.js'
import { lazyAction } from './context.js'

/** Options that `mount` and `run` share. */
function addMountOptions(command: Command): Command {
  return command
    .option('--read-only', 'nothing can be changed through this mount')
    .option('--durability <when>', 'what close and fsync wait for: journal or server', 'journal')
    .option('--owners <whose>', 'show files as owned by me, or as stored', 'me')
    .option('--path <folder>', 'mount a folder of the home rather than all of it')
    .option('--cache-size <size>', 'contents kept on this machine, 1G where not given', parseBytes)
    .option('--journal-size <size>', 'what may wait to be pushed, 4G where not given', parseBytes)
    .option('--no-create', 'do not make an agent that does not exist')
}

/** mount. */
export function addMountCommand(program: Command): void {
  addMountOptions(
    program
      .command('mount <dir>')
      .description("mount an agent's home on a folder")
      .option('--daemon', 'return when the mount answers, and serve it in the background'),
  ).action(lazyAction(async () => (await import('./mount.js')).mount))
}

/** run: mount, run a command in it, push, unmount. */
export function addRunCommand(program: Command): void {
  addMountOptions(
    program
      .command('run <command...>')
      .description("run a command in an agent's home, and push what it wrote")
      .option('--dir <dir>', 'where to mount; a temporary folder where absent')
      .usage('[options] -- <command...>')
      .showHelpAfterError('(what stands behind -- is the command: run --agent-id NAME -- COMMAND …)'),
  ).action(lazyAction(async () => (await import('./run.js')).run))
}

/** status, sync, unmount. */
export function addMountControlCommands(program: Command): void {
  program
    .command('status [dir]')
    .description('mounts on this machine, and how far they are')
    .action(lazyAction(async () => (await import('./mounts.js')).status))
  program
    .command('sync [dir]')
    .description('push what is journaled, and wait')
    .option('--until <state>', 'acknowledged or stored', 'acknowledged')
    .option('--timeout <seconds>', 'how long to wait', parseNumber, 60)
    .action(lazyAction(async () => (await import('./mounts.js')).sync))
  program
    .command('unmount <dir>')
    .description('push what is journaled, then unmount')
    .option('--force', 'leave at once; what is not pushed stays in the journal')
    .option('--flush-timeout <seconds>', 'how long to push', parseNumber, 30)
    .action(lazyAction(async () => (await import('./mounts.js')).unmount))
}

/** watch: changes as they happen. */
export function addWatchCommand(program: Command): void {
  program
    .command('watch')
    .description('print changes as they happen')
    .option(
      '--exec <command>',
      'run for each change, with AGENTFS_PATH and AGENTFS_CHANGE in its environment',
    )
    .action(lazyAction(async () => (await import('./watch.js')).watch))
}
