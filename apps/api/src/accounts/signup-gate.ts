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

/** Lets sign-ups through, or not. */
export class SignupGate {
  readonly #policy: SignupPolicy
  #last: Promise<unknown> = Promise.resolve()

  constructor(policy: SignupPolicy) {
    this.#policy = policy
  }

  /** Does the sign-up where the policy admits it; else refuses with `forbidden`, and says what would help. */
  async admit<T>(invite: string | undefined, signup: () => Promise<T>): Promise<T> {
    const policy = this.#policy
    switch (policy.kind) {
      case 'open':
        return await signup()
      case 'invite':
        if (invite !== undefined && policy.codes.some((code) => sameText(code, invite))) return await signup()
        throw refused('sign-up needs an invitation: send its code as `invite`')
      case 'closed':
        throw refused(
          'sign-up is closed here; ask the operator, who opens it with AGENTFS_SIGNUP=open or invite',
        )
      case 'first':
        return await this.#oneByOne(async () => {
          if (!(await policy.hasTenants())) return await signup()
          throw refused(
            'this service has its tenant; the operator opens sign-up with AGENTFS_SIGNUP=open or invite',
          )
        })
    }
  }

  /** Two that come at once must not both be the first. */
  async #oneByOne<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work, work)
    this.#last = mine.catch(() => undefined)
    return await mine
  }
}

function refused(detail: string): AgentfsError {
  return new AgentfsError('forbidden', { detail })
}

function sameText(one: string, other: string): boolean {
  return timingSafeEqual(hash('sha256', one, 'buffer'), hash('sha256', other, 'buffer'))
}
