import type { SessionCookie } from '@agentfs/engine'
import { SESSION_COOKIE } from './credential.js'

/** The cookie of a session: out of reach of scripts, never sent by another site's pages, over TLS only where there is TLS. */
export function sessionCookie(session: SessionCookie, secure: boolean): string {
  return cookie(session.token, new Date(session.expiresAt), secure)
}

/** A cookie that takes the session away. */
export function clearedSessionCookie(secure: boolean): string {
  return cookie('', new Date(0), secure)
}

function cookie(value: string, expires: Date, secure: boolean): string {
  const attributes = `Path=/; Expires=${expires.toUTCString()}; HttpOnly; SameSite=Strict`
  return `${SESSION_COOKIE}=${value}; ${attributes}${secure ? '; Secure' : ''}`
}
