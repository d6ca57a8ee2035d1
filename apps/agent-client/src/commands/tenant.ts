import type { Command } from 'commander'
import { UsageError } from '../exit-codes.js'
import { loadConfig, removeConfig } from '../saved-config.js'
import { ask } from '../terminal/ask.js'
import { action, type CommandContext } from './context.js'
import { whatFollows } from './erasure-words.js'

async function erase(context: CommandContext, name: string, options: { yes?: boolean }): Promise<void> {
  const { output, settings } = context
  const client = context.client()
  const { tenant } = await client.whoami()
  if (tenant.name !== name) {
    throw new UsageError(`nothing was erased: the credential is of the tenant ${JSON.stringify(tenant.name)}`)
  }
  if (options.yes !== true) {
    output.note(`This erases ${name}: every agent and file, every person and API key. There is no way back.`)
    const answer = await ask('Type the name of the tenant', { instead: `--yes to erase ${name}` })
    if (answer !== name) throw new UsageError('nothing was erased: the name did not match')
  }
  const erasure = await client.eraseTenant(name)
  output.result({ erased: tenant.id, ...erasure }, `erased ${name}`)
  if (erasure !== null) output.note(`${name}: ${whatFollows(erasure)}`)
  const { configDirectory } = settings.environment
  const saved = loadConfig(configDirectory)
  if (saved.token === undefined || saved.token !== settings.token) return
  removeConfig(configDirectory)
  output.note('The saved credential was of this tenant and is forgotten too.')
}

/** tenant erase. */
export function addTenantCommands(program: Command): void {
  const tenant = program.command('tenant').description('the organisation as a whole')
  tenant
    .command('erase <name>')
    .description('erase the tenant with all its agents, people and keys, for good; for its owner')
    .option('--yes', 'do not ask')
    .action(action(erase))
}
