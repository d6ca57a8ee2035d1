import { AgentfsError, isAgentNotFound, isUuid } from '@agentfs/contracts'

/** The answer to what was asked about an agent; where the service has none of that name, the error says so. */
export async function aboutAgent<T>(name: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw namingAgent(name, error)
  }
}

/**
 * An error with the agent's name in it, where the service said that there is no such agent; any other as it is. By what name
 * it was looked for, only the command knows.
 */
export function namingAgent(name: string, error: unknown): unknown {
  return isAgentNotFound(error) ? noSuchAgent(name, error) : error
}

/** Says which agent is not there, and what comes next. */
export function noSuchAgent(name: string, cause: AgentfsError): AgentfsError {
  const makes = isUuid(name) ? '' : `, agents create ${name} makes it`
  const detail = `there is no agent '${name}'; agentfs-client agents list shows those there are${makes}`
  return new AgentfsError('not_found', { ...cause.details, detail }, { cause })
}
