/**
 * Where the engine stands with the service.
 * starting: nothing heard yet. catching-up: reachable, not at the head. connected: the feed is healthy.
 * unhealthy: the feed fell silent [VIS-4]. offline: nobody answers. refused: the credential does not hold [SY-1].
 */
export type EngineState =
  | { readonly kind: 'starting' }
  | { readonly kind: 'catching-up' }
  | { readonly kind: 'connected' }
  | { readonly kind: 'unhealthy' }
  | { readonly kind: 'offline' }
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'closed' }

/** What happens to the engine. */
export type EngineEvent =
  | { readonly kind: 'reached' }
  | { readonly kind: 'caught-up' }
  | { readonly kind: 'silent' }
  | { readonly kind: 'unreachable' }
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'close' }

/** The state after an event; the same object where nothing changes. */
export function nextState(state: EngineState, event: EngineEvent): EngineState {
  if (state.kind === 'closed') return state
  if (event.kind === 'close') return { kind: 'closed' }
  // A refusal is final for this engine: a mount with another key starts another.
  if (state.kind === 'refused') return state
  switch (event.kind) {
    case 'refused':
      return { kind: 'refused', code: event.code }
    case 'reached':
      return state.kind === 'connected' || state.kind === 'catching-up' ? state : { kind: 'catching-up' }
    case 'caught-up':
      return state.kind === 'connected' ? state : { kind: 'connected' }
    case 'silent':
      return state.kind === 'connected' || state.kind === 'catching-up' ? { kind: 'unhealthy' } : state
    case 'unreachable':
      return state.kind === 'offline' ? state : { kind: 'offline' }
  }
}

/** True where the feed tells of every change in time, so that the kernel may believe what it was told for long. */
export function isHealthy(state: EngineState): boolean {
  return state.kind === 'connected'
}
