import type { AuditQuery } from '@agentfs/contracts'
import type { Command } from 'commander'
import { formatColumns, formatInstant } from '../terminal/format.js'
import { parseNumber } from '../terminal/parse.js'
import { action, type CommandContext } from './context.js'

type Options = {
  limit: number
  action?: AuditQuery['action']
  path?: string
  actor?: string
  outcome?: AuditQuery['outcome']
}

async function audit(context: CommandContext, options: Options): Promise<void> {
  const page = await context.client().auditEvents({
    limit: options.limit,
    ...(context.settings.agent === undefined ? {} : { agent: context.settings.agent }),
    ...(options.action === undefined ? {} : { action: options.action }),
    ...(options.path === undefined ? {} : { path: options.path }),
    ...(options.actor === undefined ? {} : { actor: options.actor }),
    ...(options.outcome === undefined ? {} : { outcome: options.outcome }),
  })
  if (context.output.json) {
    for (const event of page.data) context.output.row(event, '')
    return
  }
  if (page.data.length === 0) context.output.note('Nothing recorded that matches.')
  const rows = page.data.map((it) => [
    formatInstant(it.at),
    it.actor,
    it.door,
    it.action,
    it.outcome,
    it.path ?? '',
  ])
  for (const line of formatColumns(rows)) context.output.row(null, line)
}

/** audit: what happened, newest first. */
export function addAuditCommand(program: Command): void {
  program
    .command('audit')
    .description('who did what, newest first')
    .option('--limit <n>', 'how many events', parseNumber, 50)
    .option('--action <action>', 'for example file.write')
    .option('--path <path>')
    .option('--actor <actor>')
    .option('--outcome <outcome>', 'allowed, denied or failed')
    .action(action(audit))
}
