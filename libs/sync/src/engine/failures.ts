import { AgentfsError, RETRIABLE } from '@agentfs/contracts'

/** What a failed call means for the engine. */
export type Failure =
  /** May pass: try again, after `afterMs` where the service said so. */
  | { readonly kind: 'passing'; readonly unreachable: boolean; readonly afterMs: number | null }
  /** The credential does not hold [SY-1]. */
  | { readonly kind: 'refused'; readonly code: string }
  /** Only a fresh snapshot helps [SY-4]. */
  | { readonly kind: 'resnapshot' }
  /** The store's pushes went another way [SY-8]. */
  | { readonly kind: 'forked' }
  /** This client is too old to be served; a newer one goes on with what is in the store. */
  | { readonly kind: 'outdated' }
  /** Will not pass [DUR-5]. */
  | { readonly kind: 'final'; readonly code: string; readonly message: string }

/** Classifies what a call to the service threw. Anything unknown counts as passing: giving up loses work, trying again does not. */
export function classifyFailure(error: unknown): Failure {
  if (!(error instanceof AgentfsError)) return { kind: 'passing', unreachable: false, afterMs: null }
  const seconds = error.details['retryAfterSeconds']
  const afterMs = typeof seconds === 'number' ? Math.min(seconds, 300) * 1_000 : null
  // Something on the way answered: work is not given up, nor a credential held refused, on its word.
  if (error.details['foreign'] === true) return { kind: 'passing', unreachable: true, afterMs }
  if (RETRIABLE.has(error.code) || error.code === 'token_expired') {
    return { kind: 'passing', unreachable: error.details['unreachable'] === true, afterMs }
  }
  switch (error.code) {
    case 'unauthenticated':
    case 'key_revoked':
      return { kind: 'refused', code: error.code }
    case 'epoch_changed':
    case 'too_old':
      return { kind: 'resnapshot' }
    case 'store_forked':
      return { kind: 'forked' }
    case 'client_too_old':
      return { kind: 'outdated' }
    default:
      return { kind: 'final', code: error.code, message: error.message }
  }
}
