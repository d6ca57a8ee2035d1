import type { NodeKind, Role } from '@agentfs/contracts'
import { addressWithin } from './cidr.js'
import { prefixCovers, prefixLeadsTo } from './prefix.js'
import type { Principal } from './principal.js'

/** What somebody wants to do with a path. */
export type Action = 'read' | 'write' | 'manage'

const NEEDS = { read: 'reader', write: 'writer', manage: 'manager' } as const satisfies Record<Action, Role>
const RANK = { reader: 1, writer: 2, manager: 3 } as const satisfies Record<Role, number>

/** A role given on a node, for the decision: grants come from the path's nodes, the deepest first. */
export interface GrantOnPath {
  readonly role: Role
  /** How many segments the granted node's path has. */
  readonly depth: number
}

/** The facts a decision stands on. */
export interface AccessRequest {
  readonly principal: Principal
  readonly agentId: string
  /** The path within the agent's home, '' for the root. */
  readonly path: string
  /** What stands at the path, where that is known: of all that is on the way to a prefix only directories show. */
  readonly kind?: NodeKind
  readonly action: Action
  /** The caller's address, where the door knows it. */
  readonly address: string | null
  readonly nowMs: number
  /** Grants on the path; absent means the tenant's own people and keys, who manage all of it until grants exist. */
  readonly grants?: readonly GrantOnPath[]
}

/** One step of the reasoning, for `explain` [ACL-4]. */
export interface Reason {
  readonly rule: 'grant' | 'key_role' | 'key_agents' | 'key_prefixes' | 'key_cidrs' | 'key_expiry'
  readonly passed: boolean
  readonly detail: string
}

/** The answer, and why. `visible` false: answer as if nothing were there [ISO-1]. */
export interface Decision {
  readonly allowed: boolean
  readonly visible: boolean
  readonly role: Role | null
  readonly reasons: readonly Reason[]
}

/** The one function that decides [ACL-1]: the highest grant on the path, cut by everything the credential is limited to. */
export function decide(request: AccessRequest): Decision {
  const { principal, action } = request
  const { limits } = principal
  const granted = highest(request.grants)
  const prefixes = limits.prefixes
  const covered = prefixes?.some((prefix) => prefixCovers(prefix, request.path)) ?? true
  const passable = request.kind === undefined || request.kind === 'directory'
  const leads = passable && (prefixes?.some((prefix) => prefixLeadsTo(request.path, prefix)) ?? false)
  const agentCovered = limits.agents === null || limits.agents.includes(request.agentId)
  const addressCovered =
    limits.cidrs === null ||
    (request.address !== null && limits.cidrs.some((cidr) => addressWithin(cidr, request.address ?? '')))
  const alive = limits.expiresAt === null || Date.parse(limits.expiresAt) > request.nowMs
  const role = lower(granted, limits.role)
  const enough = role !== null && RANK[role] >= RANK[NEEDS[action]]
  // On the way to a prefix a directory may be passed through and listed, filtered; nothing else of it may be read.
  const pathPassed = covered || (leads && action === 'read')
  const reasons: Reason[] = [
    {
      rule: 'grant',
      passed: granted !== null,
      detail: granted === null ? 'no grant on the path' : `granted ${granted}`,
    },
    {
      rule: 'key_role',
      passed: enough,
      detail: `${action} needs ${NEEDS[action]}; the credential gives ${role ?? 'nothing'}`,
    },
    {
      rule: 'key_agents',
      passed: agentCovered,
      detail: agentCovered ? 'the agent is covered' : 'the credential is for other agents',
    },
    {
      rule: 'key_prefixes',
      passed: pathPassed,
      detail: pathPassed ? 'the path is covered' : 'the path is outside the prefixes of the credential',
    },
    {
      rule: 'key_cidrs',
      passed: addressCovered,
      detail: addressCovered
        ? 'the address is covered'
        : 'the address is outside the networks of the credential',
    },
    {
      rule: 'key_expiry',
      passed: alive,
      detail: alive ? 'the credential is valid' : 'the credential has expired',
    },
  ]
  const visible = granted !== null && agentCovered && (covered || leads) && addressCovered && alive
  return { allowed: visible && pathPassed && enough, visible, role, reasons }
}

function highest(grants: readonly GrantOnPath[] | undefined): Role | null {
  if (grants === undefined) return 'manager'
  let best: Role | null = null
  for (const { role } of grants) if (best === null || RANK[role] > RANK[best]) best = role
  return best
}

function lower(granted: Role | null, limit: Role): Role | null {
  if (granted === null) return null
  return RANK[granted] < RANK[limit] ? granted : limit
}
