import type { SignupPolicy } from '@agentfs/api'
import { isLoopback, type ServerConfig } from '../config.js'

/** Unless told, whoever reaches a loopback address may sign up; anywhere else only the first may. */
export function signupPolicy(
  { signup, invites, host }: Pick<ServerConfig, 'signup' | 'invites' | 'host'>,
  hasTenants: () => Promise<boolean>,
): SignupPolicy {
  switch (signup) {
    case 'open':
      return { kind: 'open' }
    case 'closed':
      return { kind: 'closed' }
    case 'invite':
      return { kind: 'invite', codes: invites }
    case 'default':
      return isLoopback(host) ? { kind: 'open' } : { kind: 'first', hasTenants }
  }
}
