import { AgentfsError } from '@agentfs/contracts'
import type { FastifyRequest } from 'fastify'

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Refuses a change that a browser carries a session to from another site (CSRF). Browsers say where a request comes
 * from in Sec-Fetch-Site, older ones in Origin; a request with a session and neither did not come from a page of ours.
 */
export function assertSameOrigin(request: FastifyRequest, when: 'changing' | 'always' = 'changing'): void {
  if (when === 'changing' && SAFE_METHODS.has(request.method)) return
  const site = request.headers['sec-fetch-site']
  const origin = request.headers.origin
  const own = `${request.protocol}://${request.host}`
  const same =
    site === undefined ? origin === own : site === 'same-origin' && (origin === undefined || origin === own)
  if (!same) {
    throw new AgentfsError('forbidden', {
      detail: 'a session only changes things from pages of this service',
    })
  }
}
