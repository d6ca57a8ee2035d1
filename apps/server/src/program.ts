import { Command, Option } from 'commander'
import { doctor } from './commands/doctor.js'
import { maintenance } from './commands/maintenance.js'
import { migrateCommand } from './commands/migrate.js'
import { recoverCommand } from './commands/recover.js'
import { start } from './commands/start.js'
import { CHORES } from './maintenance/chores.js'
import { SERVICE_ROLES, type ServiceRole } from './service/roles.js'

/** The command line of `agentfs-server`; each command gives its exit code to `exit`. */
export function createProgram(exit: (code: number) => void): Command {
  const say = (line: string): void => void process.stdout.write(`${line}\n`)
  const program = new Command('agentfs-server')
    .description('the agentfs service: memory for AI agents')
    .showHelpAfterError()
    .exitOverride()
  program
    .command('start')
    .description('run the service until Ctrl-C; alone it brings its own Postgres, job queue and object store')
    .addOption(
      new Option('--role <role>', 'which half to run in this process').choices(SERVICE_ROLES).default('all'),
    )
    .option('--json-log', 'print JSON lines only')
    .action(async (options: { role: ServiceRole; jsonLog?: boolean }) =>
      exit(await start({ role: options.role, jsonLog: options.jsonLog ?? false })),
    )
  program
    .command('migrate')
    .description('bring the database schema up to date')
    .action(async () => exit(await migrateCommand(say)))
  program
    .command('recover')
    .description(
      'rebuild an empty database from the object store and the KMS; killed, it goes on where it was',
    )
    .option('--json', 'print the report as one JSON object')
    .action(async (options: { json?: boolean }) => exit(await recoverCommand(say, options.json ?? false)))
  program
    .command('doctor')
    .description('check everything the service needs, and say what to do about what is wrong')
    .option('--json', 'print one JSON object')
    .action(async (options: { json?: boolean }) => exit(await doctor(say, options.json ?? false)))
  addMaintenance(program, exit, say)
  return program
}

function addMaintenance(program: Command, exit: (code: number) => void, say: (line: string) => void): void {
  const group = program
    .command('maintenance')
    .description('do by hand, at once and to the end, what workers do now and then')
  for (const entry of CHORES) {
    group
      .command(entry.name)
      .description(entry.description)
      .option('--tenant <id>', 'only this tenant')
      .option('--agent <name>', 'only this agent, by name or id')
      .option('--dry-run', 'count what would be done, and do nothing')
      .option('--json', 'print one JSON object')
      .action(async (options: { tenant?: string; agent?: string; dryRun?: boolean; json?: boolean }) =>
        exit(
          await maintenance(
            entry,
            {
              tenant: options.tenant,
              agent: options.agent,
              dryRun: options.dryRun ?? false,
              json: options.json ?? false,
            },
            say,
          ),
        ),
      )
  }
}
