import { AgentfsError, PROTOCOL_VERSION, PROTOCOL_VERSION_MIN } from '@agentfs/contracts'

/** What the service says it speaks. */
export const PROTOCOL_HEADERS = { 'agentfs-protocol': String(PROTOCOL_VERSION) } as const

/** Why a caller's `Agentfs-Protocol` cannot be served, null where it can; absent means the current one. */
export function checkProtocol(header: string | string[] | undefined): AgentfsError | null {
  if (header === undefined) return null
  const text = typeof header === 'string' ? header : ''
  if (!/^\d{1,6}$/.test(text)) return refused('Agentfs-Protocol is a number')
  const version = Number(text)
  if (version < PROTOCOL_VERSION_MIN)
    return new AgentfsError('client_too_old', { protocol: PROTOCOL_VERSION })
  if (version > PROTOCOL_VERSION)
    return refused(`this service speaks protocol ${PROTOCOL_VERSION} and not yet ${version}`)
  return null
}

function refused(detail: string): AgentfsError {
  return new AgentfsError('invalid_request', { detail, protocol: PROTOCOL_VERSION })
}
