import type { AgentfsClient } from '@agentfs/sdk'
import { Command } from 'commander'
import { trustAuthorities } from '../certificates.js'
import { readEnvironment } from '../config.js'
import { connect, requireAgent, resolveSettings, type GlobalOptions, type Settings } from '../connection.js'
import { namingAgent } from '../missing-agent.js'
import { processOutput, type Output } from '../terminal/output.js'

/** What a command works with. */
export interface CommandContext {
  readonly options: GlobalOptions
  readonly settings: Settings
  readonly output: Output
  /** A client, waiting for answers as long as told; refuses where there are no credentials. */
  client(timeoutMs?: number): AgentfsClient
  /** The agent named; refuses where none is. */
  agent(): string
}

/** The context of the command that is running. */
async function contextOf(command: Command): Promise<CommandContext> {
  const options = command.optsWithGlobals<GlobalOptions>()
  if (options.caFile !== undefined) trustAuthorities(options.caFile)
  const settings = await resolveSettings(options, readEnvironment())
  const output = processOutput({ json: options.json === true, quiet: options.quiet === true })
  return {
    options,
    settings,
    output,
    client: (timeoutMs) => connect(settings, timeoutMs),
    agent: () => requireAgent(settings),
  }
}

/** The body of a command: its arguments, then its options, as it declared them. */
export function action<A extends unknown[]>(
  run: (context: CommandContext, ...args: A) => Promise<void>,
): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    const command = args.at(-1)
    if (!(command instanceof Command)) throw new Error('a command was not called by its program')
    // What a command declares is what commander hands over: arguments, then the object of options.
    const context = await contextOf(command)
    let about: string | undefined
    const agent = (): string => (about = context.agent())
    try {
      await run({ ...context, agent }, ...(args.slice(0, -1) as A))
    } catch (error) {
      throw about === undefined ? error : namingAgent(about, error)
    }
  }
}

/** The same for a command whose code is loaded when it is called: the others need not wait for what it stands on. */
export function lazyAction<A extends unknown[]>(
  load: () => Promise<(context: CommandContext, ...args: A) => Promise<void>>,
): (...args: unknown[]) => Promise<void> {
  return action<A>(async (context, ...args) => (await load())(context, ...args))
}
