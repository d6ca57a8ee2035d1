import type { IncomingHttpHeaders } from 'node:http'
import type { Door } from '@agentfs/contracts'

/**
 * Through which door a request came: what our clients say of themselves in `Agentfs-Door`, the dashboard for sessions,
 * REST for anyone else. It is a claim for the audit log and decides nothing.
 */
export function doorOf(headers: IncomingHttpHeaders, credential: 'key' | 'token' | 'session' | null): Door {
  if (credential === 'session') return 'dashboard'
  const claimed = headers['agentfs-door']
  return claimed === 'mount' || claimed === 'sdk' || claimed === 'cli' ? claimed : 'rest'
}
