import { describe, expect, it } from '@jest/globals'
import { nextState, type EngineEvent, type EngineState } from './engine-state.js'

const STATES: EngineState[] = [
  { kind: 'starting' },
  { kind: 'catching-up' },
  { kind: 'connected' },
  { kind: 'unhealthy' },
  { kind: 'offline' },
  { kind: 'refused', code: 'key_revoked' },
  { kind: 'closed' },
]
const EVENTS: EngineEvent[] = [
  { kind: 'reached' },
  { kind: 'caught-up' },
  { kind: 'silent' },
  { kind: 'unreachable' },
  { kind: 'refused', code: 'key_revoked' },
  { kind: 'close' },
]

/** Rows are states, columns events, in the order above. */
const TABLE = [
  ['catching-up', 'connected', 'starting', 'offline', 'refused', 'closed'],
  ['catching-up', 'connected', 'unhealthy', 'offline', 'refused', 'closed'],
  ['connected', 'connected', 'unhealthy', 'offline', 'refused', 'closed'],
  ['catching-up', 'connected', 'unhealthy', 'offline', 'refused', 'closed'],
  ['catching-up', 'connected', 'offline', 'offline', 'refused', 'closed'],
  ['refused', 'refused', 'refused', 'refused', 'refused', 'closed'],
  ['closed', 'closed', 'closed', 'closed', 'closed', 'closed'],
]

describe('[SY] the engine, every state and every event', () => {
  STATES.forEach((state, row) => {
    EVENTS.forEach((event, column) => {
      it(`${state.kind} + ${event.kind}`, () => {
        expect(nextState(state, event).kind).toBe(TABLE[row]?.[column])
      })
    })
  })
})
