import { AgentfsError, isAgentfsError, isUuid } from '@agentfs/contracts'

/** What the service says of an agent that is not there; by what name it was looked for, only the command knows. */
const NO_SUCH_AGENT = 'there is no such agent'

/** The answer to what was asked about an agent; where the service has none of that name, the error says so. */
export async function aboutAgent<T>(name: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw namingAgent(name, error)
  }
}

/** An error with the agent's name in it, where the service said that there is no such agent; any other as it is. */
export function namingAgent(name: string, error: unknown): unknown {
  return isAgentfsError(error, 'not_found') && error.message === NO_SUCH_AGENT
    ? noSuchAgent(name, error)
    : error
}

/** Says which agent is not there, and what comes next. */
export function noSuchAgent(name: string, cause: AgentfsError): AgentfsError {
  const makes = isUuid(name) ? '' : `, agents create ${name} makes it`
  const detail = `there is no agent '${name}'; agentfs-client agents list shows those there are${makes}`
  return new AgentfsError('not_found', { ...cause.details, detail }, { cause })
}
