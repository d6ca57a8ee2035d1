import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'

/** What the environment says, read once. */
export interface Environment {
  readonly url: string | undefined
  readonly token: string | undefined
  readonly agent: string | undefined
  /** Holds `config.json`. */
  readonly configDirectory: string
  /** Holds one folder per service and agent: the client stores. */
  readonly stateDirectory: string
  readonly noColor: boolean
  /** All of it, for child processes. */
  readonly variables: NodeJS.ProcessEnv
}

const environment = z.object({
  AGENTFS_URL: z.url().optional(),
  AGENTFS_TOKEN: z.string().min(1).optional(),
  AGENTFS_AGENT: z.string().min(1).optional(),
  XDG_CONFIG_HOME: z.string().min(1).optional(),
  XDG_STATE_HOME: z.string().min(1).optional(),
  NO_COLOR: z.string().optional(),
})

/** The environment as typed values; empty variables count as absent. */
export function readEnvironment(variables: NodeJS.ProcessEnv = process.env): Environment {
  const present = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''))
  const parsed = environment.safeParse(present)
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    throw new Error(`the environment is not usable:\n  ${problems.join('\n  ')}`)
  }
  const it = parsed.data
  return {
    url: it.AGENTFS_URL,
    token: it.AGENTFS_TOKEN,
    agent: it.AGENTFS_AGENT,
    configDirectory: join(it.XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'agentfs'),
    stateDirectory: join(it.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'agentfs'),
    noColor: it.NO_COLOR !== undefined,
    variables,
  }
}
