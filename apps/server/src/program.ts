import { Command, Option } from 'commander'
import { doctor } from './commands/doctor.js'
import { eraseTenantCommand, type EraseTenantOptions } from './commands/erase-tenant.js'
import { fsckCommand, type FsckCommandOptions } from './commands/fsck.js'
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
    .option(
      '--roll-forward',
      'bring a database that was restored from an older backup up to the object store',
    )
    .option('--json', 'print the report as one JSON object')
    .action(async (options: { json?: boolean; rollForward?: boolean }) =>
      exit(await recoverCommand(say, options)),
    )
  program
    .command('doctor')
    .description('check everything the service needs, and say what to do about what is wrong')
    .option('--json', 'print one JSON object')
    .action(async (options: { json?: boolean }) => exit(await doctor(say, options.json ?? false)))
  addFsck(program, exit, say)
  addMaintenance(program, exit, say)
  return program
}

function addFsck(program: Command, exit: (code: number) => void, say: (line: string) => void): void {
  program
    .command('fsck')
    .description(
      'prove that everything stored is there, opens and matches; 1 where anything is not, each named on a line',
    )
    .option('--tenant <id>', 'only this tenant')
    .option('--agent <name>', 'only this agent, by name or id')
    .option('--quick', 'rows, listings and logs only: no object is read')
    .option(
      '--after-restore',
      'for a database restored from a backup: say what it does not know any more, and what to do',
    )
    .option('--json', 'print one JSON object a line')
    .action(async (options: FsckCommandOptions) => exit(await fsckCommand(options, say)))
}

function addMaintenance(program: Command, exit: (code: number) => void, say: (line: string) => void): void {
  const group = program
    .command('maintenance')
    .description('do by hand, at once and to the end, what workers do now and then')
  group
    .command('erase-tenant')
    .description('erase a tenant with all its agents, people and keys, for good')
    .option('--tenant <id>', 'its id')
    .option('--name <name>', 'its name, repeated, instead of being asked')
    .option('--list', 'list the tenants that were erased, and by whom, instead')
    .option('--json', 'print one JSON object (a line)')
    .action(async (options: EraseTenantOptions) => exit(await eraseTenantCommand(options, say)))
  for (const entry of CHORES) {
    const command = group
      .command(entry.name)
      .description(entry.description)
      .option('--tenant <id>', 'only this tenant')
      .option('--agent <name>', 'only this agent, by name or id')
      .option('--dry-run', 'count what would be done, and do nothing')
      .option('--json', 'print one JSON object')
      .action(async (options: MaintenanceFlags) =>
        exit(
          await maintenance(
            entry,
            {
              tenant: options.tenant,
              agent: options.agent,
              root: options.root ?? false,
              dryRun: options.dryRun ?? false,
              json: options.json ?? false,
            },
            say,
          ),
        ),
      )
    if (entry.makeRoot !== undefined) {
      command
        .option('--root', 'a new root key in the KMS instead, and every key-encryption key wrapped under it')
        .option('--all', 'all tenants, which is so without --tenant anyway')
    }
  }
}

interface MaintenanceFlags {
  readonly tenant?: string
  readonly agent?: string
  readonly root?: boolean
  readonly dryRun?: boolean
  readonly json?: boolean
}
