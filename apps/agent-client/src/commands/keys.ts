import type { Command } from 'commander'
import { formatColumns, formatInstant } from '../terminal/format.js'
import { action, type CommandContext } from './context.js'
import { allPages } from './pages.js'

type CreateOptions = {
  role?: 'reader' | 'writer' | 'manager'
  prefix?: string[]
  cidr?: string[]
  expires?: string
  agents?: string[]
}

async function create(context: CommandContext, name: string, options: CreateOptions): Promise<void> {
  const key = await context.client().createKey({
    name,
    ...(options.role === undefined ? {} : { role: options.role }),
    ...(options.agents === undefined ? {} : { agents: options.agents }),
    ...(options.prefix === undefined ? {} : { prefixes: options.prefix }),
    ...(options.cidr === undefined ? {} : { cidrs: options.cidr }),
    ...(options.expires === undefined ? {} : { expiresAt: new Date(options.expires).toISOString() }),
  })
  context.output.note('The key is shown this once.')
  context.output.result(key, key.secret)
}

async function list(context: CommandContext): Promise<void> {
  const client = context.client()
  const keys = await allPages((page) => client.listKeys(page))
  if (context.output.json) {
    for (const key of keys) context.output.row(key, '')
    return
  }
  if (keys.length === 0) context.output.note('No keys. `agentfs-client keys create NAME` makes one.')
  const rows = keys.map((key) => [
    key.id,
    key.name,
    key.scope.role,
    formatInstant(key.createdAt),
    key.revokedAt === null ? '' : 'revoked',
  ])
  for (const line of formatColumns(rows)) context.output.row(null, line)
}

async function revoke(context: CommandContext, id: string): Promise<void> {
  await context.client().revokeKey(id)
  context.output.result({ revoked: id }, `revoked ${id}`)
}

/** keys create, list, revoke. */
export function addKeyCommands(program: Command): void {
  const keys = program.command('keys').description('API keys')
  keys
    .command('create <name>')
    .option('--role <role>', 'reader, writer or manager')
    .option('--agents <agent...>', 'only these agents')
    .option('--prefix <path...>', 'only these paths and below')
    .option('--cidr <network...>', 'only from these networks')
    .option('--expires <instant>', 'for example 2027-01-31')
    .action(action(create))
  keys.command('list').action(action(list))
  keys.command('revoke <id>').action(action(revoke))
}
