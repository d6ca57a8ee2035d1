import { Command, CommanderError, Option } from 'commander'
import { AgentfsError } from '@agentfs/contracts'
import { addAccountCommands } from './commands/account.js'
import { addAgentCommands } from './commands/agents.js'
import { addAuditCommand } from './commands/audit.js'
import { addDoctorCommand } from './commands/doctor.js'
import { addExportCommand } from './commands/export-command.js'
import { addFileCommands } from './commands/files.js'
import { addHistoryCommands } from './commands/history.js'
import { addImportCommand } from './commands/import-command.js'
import { addKeyCommands } from './commands/keys.js'
import { addTenantCommands } from './commands/tenant.js'
import {
  addMountCommand,
  addMountControlCommands,
  addRunCommand,
  addWatchCommand,
} from './commands/mount-commands.js'
import { EXIT, exitCodeOf, failureCode, UsageError } from './exit-codes.js'

/** The command line, with every command. */
export function buildProgram(version: string): Command {
  const program = new Command('agentfs-client')
  program
    .description('memory for AI agents, as a folder')
    .version(version)
    .option('--url <address>', 'the service (AGENTFS_URL; default http://127.0.0.1:7333)')
    .option('--token <token>', 'an API key or access token (AGENTFS_TOKEN); - reads standard input')
    .option('--token-file <file>', 'read the token from a file')
    .option('--agent-id <agent>', 'an agent, by name or id (AGENTFS_AGENT)')
    .addOption(new Option('--agent <agent>', 'the same as --agent-id').hideHelp())
    .option('--json', 'results as JSON: one object, or one a line')
    .option('--quiet', 'results and errors only')
    .option('--insecure', 'allow plain http to another machine')
    .option('--ca-file <file>', 'trust this certificate authority too')
    .showHelpAfterError('(--help shows how it is used)')
    .enablePositionalOptions(false)
    .exitOverride()
  addAccountCommands(program)
  addKeyCommands(program)
  addAgentCommands(program)
  addTenantCommands(program)
  addFileCommands(program)
  addHistoryCommands(program)
  addExportCommand(program)
  addImportCommand(program)
  addAuditCommand(program)
  addMountCommand(program)
  addRunCommand(program)
  addMountControlCommands(program)
  addWatchCommand(program)
  addDoctorCommand(program)
  return program
}

/** Runs a command line and gives its exit code; every error is one message on stderr that says what to do. */
export async function runProgram(program: Command, argv: readonly string[]): Promise<number> {
  for (const command of allCommands(program)) command.exitOverride()
  try {
    refuseVersionOfCommand(program, argv)
    await program.parseAsync(argv, { from: 'user' })
    return typeof process.exitCode === 'number' ? process.exitCode : EXIT.ok
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    report(error, program.opts<{ json?: boolean }>().json === true)
    return exitCodeOf(error)
  }
}

/** Beside a command `--version N` is meant for a file: to print the program's own and do nothing would look like success. */
function refuseVersionOfCommand(program: Command, argv: readonly string[]): void {
  const end = argv.indexOf('--')
  const args = end === -1 ? argv : argv.slice(0, end)
  if (!args.includes('--version') && !args.includes('-V')) return
  const command = program.commands.find((it) =>
    args.some((arg, at) => arg === it.name() && !takesValue(program, args[at - 1])),
  )
  if (command === undefined) return
  throw new UsageError(
    `${command.name()} takes no --version, which is the version of agentfs-client itself; for one of a file use --file-version N`,
  )
}

/** True for an option of the program that the next argument belongs to. */
function takesValue(program: Command, arg = ''): boolean {
  return program.options.some(({ required, long }) => required && long === arg)
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)]
}

function report(error: unknown, json: boolean): void {
  const message = error instanceof Error ? error.message : String(error)
  const code = error instanceof AgentfsError ? error.code : undefined
  const given = error instanceof AgentfsError ? error.details['requestId'] : undefined
  const requestId = typeof given === 'string' ? given : undefined
  if (json) {
    process.stderr.write(`${JSON.stringify({ error: { code: failureCode(error), message, requestId } })}\n`)
    return
  }
  const facts = [code === undefined || message === code ? undefined : code, requestId].filter(
    (it) => it !== undefined,
  )
  process.stderr.write(`agentfs-client: ${message}${facts.length === 0 ? '' : ` [${facts.join(', ')}]`}\n`)
}
