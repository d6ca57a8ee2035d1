import { uuidv7 } from '@agentfs/contracts'
import { currentFlight, dropFlight } from './flight.js'
import { announce } from './append-entry.js'
import type { StoreState } from './store-state.js'

/**
 * After `store_forked` (a restored machine, a copied store): what is unacknowledged waits again, under a new store id whose
 * pushes begin at 1 [SY-8].
 */
export function forkStore(state: StoreState): void {
  const flight = currentFlight(state)
  state.transact(() => {
    state.database.sql('update journal set push = 0').run()
    if (flight !== undefined) dropFlight(state, flight)
    state.setFacts({ store: uuidv7(), pushNumber: 0, pushDigest: null })
  })
  state.flight = null
  state.partsBegun.clear()
  state.closedThrough = state.journal.tail
  for (const entry of state.journal.entries()) if (entry.push !== 0) state.journal.put({ ...entry, push: 0 })
  if (state.journal.size > 0) announce(state)
}

/** The credential was refused: cached contents are deleted, tree and journal stay [SY-1]. */
export function revokeStore(state: StoreState): void {
  state.transact(() => {
    state.cache.clear()
    state.setFacts({ revoked: true })
  })
  state.emit({ kind: 'revoked' })
}

/** The credential holds again. */
export function reinstateStore(state: StoreState): void {
  if (!state.facts.revoked) return
  state.transact(() => state.setFacts({ revoked: false }))
  state.emit({ kind: 'reinstated' })
}
