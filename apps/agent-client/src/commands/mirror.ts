import type { MirrorStatus } from '@agentfs/contracts'
import type { Command } from 'commander'
import { UsageError } from '../exit-codes.js'
import { aboutAgent } from '../missing-agent.js'
import { ask } from '../terminal/ask.js'
import { action, type CommandContext } from './context.js'

interface OnOptions {
  readonly acceptPlaintext?: boolean
  readonly target?: string
  readonly rebuild?: boolean
}

function show(context: CommandContext, name: string, status: MirrorStatus): void {
  const { state, location, lagSeconds, documents } = status
  const where = location === null ? '' : ` at ${location}`
  const behind = lagSeconds === 0 ? '' : `, ${lagSeconds.toFixed(1)} s behind`
  context.output.result(status, `${name}: mirror ${state}${where}, ${documents} documents${behind}`)
}

async function on(context: CommandContext, name: string, options: OnOptions): Promise<void> {
  const client = context.client()
  const agent = await aboutAgent(name, client.getAgent(name))
  if (options.acceptPlaintext !== true) {
    context.output.note(
      `A mirror holds every file of ${agent.name} in PLAINTEXT, readable for anyone who may read its bucket.`,
    )
    const answer = await ask('Type the name of the agent if that is what you want', {
      instead: `--accept-plaintext to mirror ${agent.name}`,
    })
    if (answer !== agent.name) throw new UsageError('not switched on: the name did not match')
  }
  const { target, rebuild } = options
  const request = {
    enabled: true,
    acceptPlaintext: true,
    ...(target === undefined ? {} : { target }),
    ...(rebuild === undefined ? {} : { rebuild }),
  }
  show(context, agent.name, await client.setMirror(agent.id, request))
}

async function off(
  context: CommandContext,
  name: string,
  options: { readonly keepDocuments?: boolean },
): Promise<void> {
  const request = { enabled: false, keepDocuments: options.keepDocuments === true }
  const status = await aboutAgent(name, context.client().setMirror(name, request))
  if (request.keepDocuments)
    context.output.note('What was written stays where it is, in plaintext; nothing follows or erases it now.')
  show(context, name, status)
}

async function tell(context: CommandContext, name: string): Promise<void> {
  show(context, name, await aboutAgent(name, context.client().mirror(name)))
}

/** agents mirror on, off, status. */
export function addMirrorCommands(agents: Command): void {
  const mirror = agents
    .command('mirror')
    .description('readable copies of an agent, in plaintext, in a bucket')
  mirror
    .command('on <name>')
    .option('--accept-plaintext', 'do not ask: the mirror holds the files in plaintext')
    .option('--target <name>', "a target of the service's operator; the service's own store unless given")
    .option('--rebuild', 'write every document anew')
    .action(action(on))
  mirror
    .command('off <name>')
    .option('--keep-documents', 'leave what was written; nothing follows or erases it any more')
    .action(action(off))
  mirror.command('status <name>').action(action(tell))
}
