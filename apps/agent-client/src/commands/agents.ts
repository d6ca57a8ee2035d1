import type { Command } from 'commander'
import { formatColumns, formatInstant } from '../terminal/format.js'
import { ask } from '../terminal/ask.js'
import { UsageError } from '../exit-codes.js'
import { aboutAgent } from '../missing-agent.js'
import { action, type CommandContext } from './context.js'
import { addMirrorCommands } from './mirror.js'
import { whatFollows } from './erasure-words.js'
import { allPages } from './pages.js'

async function create(context: CommandContext, name: string): Promise<void> {
  const agent = await context.client().createAgent({ name })
  context.output.result(agent, `${agent.name} ${agent.id}`)
}

async function list(context: CommandContext): Promise<void> {
  const client = context.client()
  const agents = await allPages((page) => client.listAgents(page))
  if (context.output.json) {
    for (const agent of agents) context.output.row(agent, '')
    return
  }
  if (agents.length === 0)
    context.output.note('No agents yet. `agentfs-client agents create NAME` makes one.')
  const rows = agents.map((it) => [it.name, it.id, `seq ${it.seq}`, formatInstant(it.createdAt)])
  for (const line of formatColumns(rows)) context.output.row(null, line)
}

async function rename(context: CommandContext, from: string, to: string): Promise<void> {
  const agent = await aboutAgent(from, context.client().updateAgent(from, { name: to }))
  context.output.result(agent, `${from} is now ${agent.name}`)
}

async function remove(
  context: CommandContext,
  name: string,
  options: { yes?: boolean; erase?: boolean },
): Promise<void> {
  const erase = options.erase === true
  const client = context.client()
  const agent = await aboutAgent(name, client.getAgent(name))
  if (options.yes !== true) {
    const what = `${agent.name} and all its files`
    const answer = await ask(`${erase ? 'Erase for good' : 'Delete'} ${what}? Type its name`, {
      instead: `--yes to ${erase ? 'erase' : 'delete'} ${what}`,
    })
    if (answer !== agent.name) throw new UsageError('not deleted: the name did not match')
  }
  const erasure = await client.deleteAgent(agent.id, { erase })
  const done = erase ? 'erased' : 'deleted'
  context.output.result({ [done]: agent.id, ...erasure }, `${done} ${agent.name}`)
  if (erasure !== null) context.output.note(`${agent.name}: ${whatFollows(erasure)}`)
}

/** agents create, list, rename, delete, mirror. */
export function addAgentCommands(program: Command): void {
  const agents = program.command('agents').description('agents and their homes')
  agents.command('create <name>').action(action(create))
  agents.command('list').action(action(list))
  agents.command('rename <from> <to>').action(action(rename))
  agents
    .command('delete <name>')
    .option('--yes', 'do not ask')
    .option('--erase', 'delete all its keys too: no way back')
    .action(action(remove))
  addMirrorCommands(agents)
}
