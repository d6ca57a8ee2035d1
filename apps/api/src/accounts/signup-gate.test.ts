import { describe, expect, it } from '@jest/globals'
import { AgentfsError } from '@agentfs/contracts'
import { SignupGate, type SignupPolicy } from './signup-gate.js'

async function outcome(policy: SignupPolicy, invite?: string): Promise<string> {
  return await new SignupGate(policy)
    .admit(invite, () => Promise.resolve())
    .then(
      () => 'admitted',
      (error: unknown) => (error instanceof AgentfsError ? error.code : String(error)),
    )
}

describe('sign-up', () => {
  it('is open, closed, for the invited, or for the first', async () => {
    expect(await outcome({ kind: 'open' })).toBe('admitted')
    expect(await outcome({ kind: 'closed' }, 'any')).toBe('forbidden')
    expect(await outcome({ kind: 'invite', codes: ['one', 'two'] }, 'two')).toBe('admitted')
    expect(await outcome({ kind: 'invite', codes: ['one'] }, 'three')).toBe('forbidden')
    expect(await outcome({ kind: 'invite', codes: ['one'] })).toBe('forbidden')
    expect(await outcome({ kind: 'invite', codes: [] }, '')).toBe('forbidden')
    expect(await outcome({ kind: 'first', hasTenants: async () => false })).toBe('admitted')
    expect(await outcome({ kind: 'first', hasTenants: async () => true })).toBe('forbidden')
  })

  it('lets one be the first, of two that come at once', async () => {
    let tenants = 0
    const gate = new SignupGate({ kind: 'first', hasTenants: async () => tenants > 0 })
    const signup = async (): Promise<number> => await Promise.resolve().then(() => ++tenants)
    const outcomes = await Promise.allSettled([gate.admit(undefined, signup), gate.admit(undefined, signup)])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(tenants).toBe(1)
  })
})
