import { describe, expect, it } from '@jest/globals'
import { AgentfsError } from '@agentfs/contracts'
import { SignupGate, type SignupPolicy } from './signup-gate.js'

async function outcome(policy: SignupPolicy, invite?: string): Promise<string> {
  return await new SignupGate(policy).admit(invite).then(
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
})
