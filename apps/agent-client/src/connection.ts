import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { AgentfsError } from '@agentfs/contracts'
import { AgentfsClient } from '@agentfs/sdk'
import type { Environment } from './config.js'
import { UsageError } from './exit-codes.js'
import { loadConfig } from './saved-config.js'
import { readStdinText } from './terminal/ask.js'

/** The address where the service listens unless told otherwise. */
const DEFAULT_URL = 'http://127.0.0.1:7333'

/** The options every command knows. */
export interface GlobalOptions {
  readonly url?: string
  readonly token?: string
  readonly tokenFile?: string
  readonly agentId?: string
  readonly agent?: string
  readonly insecure?: boolean
  readonly caFile?: string
  readonly json?: boolean
  readonly quiet?: boolean
}

/** Where a command talks to, as whom, and about which agent: flags before the environment before the saved configuration. */
export interface Settings {
  readonly url: string
  readonly token: string | undefined
  readonly agent: string | undefined
  readonly environment: Environment
}

/** Resolves the settings of a command. */
export async function resolveSettings(options: GlobalOptions, environment: Environment): Promise<Settings> {
  const saved = loadConfig(environment.configDirectory)
  const url = options.url ?? environment.url ?? saved.url ?? DEFAULT_URL
  assertSafeUrl(url, options.insecure === true)
  // A saved key belongs to the service it was made at: it is never sent elsewhere.
  const savedToken = url === (saved.url ?? DEFAULT_URL) ? saved.token : undefined
  return {
    url,
    token: (await givenToken(options)) ?? environment.token ?? savedToken,
    agent: options.agentId ?? options.agent ?? environment.agent ?? saved.agent,
    environment,
  }
}

async function givenToken(options: GlobalOptions): Promise<string | undefined> {
  if (options.tokenFile !== undefined) {
    try {
      return readFileSync(options.tokenFile, 'utf8').trim()
    } catch (error) {
      throw new UsageError(`cannot read the token file ${options.tokenFile}: ${(error as Error).message}`)
    }
  }
  return options.token === '-' ? (await readStdinText()).trim() : options.token
}

/** Plain http leaves this machine only when somebody insists: a token on the wire is as good as given away. */
function assertSafeUrl(url: string, insecure: boolean): void {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw new UsageError(`'${url}' is not an address; it looks like https://memory.example.com`)
  }
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') {
    throw new UsageError(`'${url}' must start with https:// or http://`)
  }
  const host = parsed.hostname.replace(/^\[|\]$/g, '')
  const loopback = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
  if (parsed.protocol === 'http:' && !loopback && !insecure) {
    throw new UsageError(
      `plain http to ${host} would send the token in the clear; use https, or --insecure if the network is yours`,
    )
  }
}

/** A client for the settings; says how to get a token where there is none. `timeoutMs` for one that must not wait long. */
export function connect(settings: Settings, timeoutMs?: number): AgentfsClient {
  if (settings.token === undefined) {
    throw new AgentfsError('unauthenticated', {
      detail:
        'no credentials: run `agentfs-client signup` or `agentfs-client login`, or give --token or AGENTFS_TOKEN',
    })
  }
  const limit = timeoutMs === undefined ? {} : { timeoutMs }
  return new AgentfsClient({ url: settings.url, token: settings.token, door: 'cli', ...limit })
}

/** The agent a command is about. */
export function requireAgent(settings: Settings): string {
  if (settings.agent === undefined) {
    throw new UsageError(
      'no agent: give --agent-id NAME or set AGENTFS_AGENT; `agentfs-client agents list` shows them',
    )
  }
  if (settings.agent.trim() === '') throw new UsageError("the agent's name is empty: give --agent-id NAME")
  return settings.agent
}
