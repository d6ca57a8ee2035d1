import { AgentfsError, type KeyScope, type Role } from '@agentfs/contracts'
import { prefixCovers } from './prefix.js'

const RANK = { reader: 1, writer: 2, manager: 3 } as const satisfies Record<Role, number>

/** A scope cut further; whatever would widen it is refused with `forbidden` [ACL-1]. */
export function narrowScope(
  scope: KeyScope,
  to: {
    role?: Role | undefined
    agents?: string[] | undefined
    prefixes?: string[] | undefined
    cidrs?: string[] | undefined
    expiresAt?: string | undefined
  },
): KeyScope {
  if (to.role !== undefined && RANK[to.role] > RANK[scope.role]) refuse('a role above its own')
  if (
    to.agents !== undefined &&
    scope.agents !== null &&
    !to.agents.every((id) => scope.agents?.includes(id))
  ) {
    refuse('agents outside its own')
  }
  const own = scope.prefixes
  if (to.prefixes !== undefined && own !== null) {
    if (!to.prefixes.every((prefix) => own.some((it) => prefixCovers(it, prefix))))
      refuse('paths outside its own')
  }
  const expiresAt =
    to.expiresAt === undefined || (scope.expiresAt !== null && scope.expiresAt < to.expiresAt)
      ? scope.expiresAt
      : to.expiresAt
  return {
    role: to.role ?? scope.role,
    agents: to.agents ?? scope.agents,
    prefixes: to.prefixes ?? own,
    // Networks are never dropped: a narrower list is only taken where there was none.
    cidrs: scope.cidrs ?? to.cidrs ?? null,
    expiresAt,
  }
}

function refuse(what: string): never {
  throw new AgentfsError('forbidden', { detail: `a credential cannot give ${what}` })
}
