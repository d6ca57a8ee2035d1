import { hash, timingSafeEqual } from 'node:crypto'
import { AgentfsError } from '@agentfs/contracts'

/**
 * Who may sign up: anyone, those with a code the operator gave out, nobody; or anyone until the first tenant is
 * there, the safe choice for a service that is not bound to loopback.
 */
export type SignupPolicy =
  | { readonly kind: 'open' }
  | { readonly kind: 'invite'; readonly codes: readonly string[] }
  | { readonly kind: 'closed' }
  | { readonly kind: 'first'; readonly hasTenants: () => Promise<boolean> }

/** Decides whether a sign-up may go on. */
export class SignupGate {
  readonly #policy: SignupPolicy

  constructor(policy: SignupPolicy) {
    this.#policy = policy
  }

  /** Refuses with `forbidden`, and says what would help. */
  async admit(invite: string | undefined): Promise<void> {
    const policy = this.#policy
    switch (policy.kind) {
      case 'open':
        return
      case 'invite':
        if (invite !== undefined && policy.codes.some((code) => sameText(code, invite))) return
        throw refused('sign-up needs an invitation: send its code as `invite`')
      case 'closed':
        throw refused(
          'sign-up is closed here; ask the operator, who opens it with AGENTFS_SIGNUP=open or invite',
        )
      case 'first':
        if (!(await policy.hasTenants())) return
        throw refused(
          'this service has its tenant; the operator opens sign-up with AGENTFS_SIGNUP=open or invite',
        )
    }
  }
}

function refused(detail: string): AgentfsError {
  return new AgentfsError('forbidden', { detail })
}

function sameText(one: string, other: string): boolean {
  return timingSafeEqual(hash('sha256', one, 'buffer'), hash('sha256', other, 'buffer'))
}
