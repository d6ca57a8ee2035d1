import type { IncomingHttpHeaders } from 'node:http'
import { AgentfsError } from '@agentfs/contracts'

/** What a caller shows. */
export type Credential =
  | { readonly kind: 'key'; readonly text: string }
  | { readonly kind: 'token'; readonly text: string }
  | { readonly kind: 'session'; readonly text: string }

/** The name of the session cookie. */
export const SESSION_COOKIE = 'agentfs_session'

/** The credential of a request, null where it shows none; two that differ are refused rather than one chosen. */
export function credentialOf(headers: IncomingHttpHeaders): Credential | null {
  const bearer = bearerOf(headers.authorization)
  const header = headers['x-api-key']
  const key = typeof header === 'string' && header !== '' ? header : null
  if (bearer !== null && key !== null && bearer !== key) {
    throw new AgentfsError('invalid_request', { detail: 'send one credential: Authorization or x-api-key' })
  }
  const text = bearer ?? key
  if (text !== null) {
    if (text.length > CREDENTIAL_CHARACTERS_MAX) throw new AgentfsError('unauthenticated')
    return { kind: text.startsWith('afs_') ? 'key' : 'token', text }
  }
  const session = cookieOf(headers.cookie, SESSION_COOKIE)
  return session === null || session.length > CREDENTIAL_CHARACTERS_MAX
    ? null
    : { kind: 'session', text: session }
}

/** A token with a hundred prefixes of PATH_MAX would not fit a header anyway. */
const CREDENTIAL_CHARACTERS_MAX = 16_384

function bearerOf(header: string | undefined): string | null {
  if (header === undefined) return null
  const match = /^Bearer +(\S+) *$/i.exec(header)
  if (match?.[1] === undefined) {
    throw new AgentfsError('unauthenticated', {
      detail: 'write the credential as `Authorization: Bearer <key>`',
    })
  }
  return match[1]
}

function cookieOf(header: string | undefined, name: string): string | null {
  for (const pair of header?.split(';') ?? []) {
    const at = pair.indexOf('=')
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim()
  }
  return null
}
