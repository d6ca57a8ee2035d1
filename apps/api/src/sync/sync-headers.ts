import type { IncomingHttpHeaders } from 'node:http'
import { AgentfsError } from '@agentfs/contracts'

/** The epoch a push was made in; outside the frozen bytes, so that the same bytes can be sent in a new one [SY-4]. */
export function epochOf(headers: IncomingHttpHeaders): number {
  const text = headers['agentfs-epoch']
  if (typeof text !== 'string' || !/^\d{1,9}$/.test(text)) {
    throw new AgentfsError('invalid_request', { detail: 'send the epoch of the client as Agentfs-Epoch' })
  }
  return Number(text)
}

/** The SHA-256 of a Content-Digest (RFC 9530), null where none is sent. */
export function digestOf(header: string | string[] | undefined): Uint8Array | null {
  if (header === undefined) return null
  const match = /(?:^|[,\s])sha-256=:([A-Za-z0-9+/]{43}=):/.exec(String(header))
  if (match?.[1] === undefined) {
    throw new AgentfsError('invalid_request', { detail: 'Content-Digest is sha-256=:<base64>:' })
  }
  return Buffer.from(match[1], 'base64')
}
