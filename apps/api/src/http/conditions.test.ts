import { describe, expect, it } from '@jest/globals'
import { AgentfsError, uuidv7 } from '@agentfs/contracts'
import { hasVersion, insistenceOf } from './conditions.js'

const version = uuidv7()

describe('preconditions', () => {
  it('[CON-6] say which version must be the head, or that there must be none', () => {
    expect(insistenceOf({})).toEqual({})
    expect(insistenceOf({ 'if-match': `"${version}"` })).toEqual({ ifMatch: version })
    expect(insistenceOf({ 'if-match': '*' })).toEqual({ ifMatch: '*' })
    expect(insistenceOf({ 'if-none-match': '*' })).toEqual({ createOnly: true })
  })

  it('[CON-6] are refused rather than ignored where they cannot be understood', () => {
    for (const headers of [
      { 'if-match': version },
      { 'if-match': `W/"${version}"` },
      { 'if-match': '"7"' },
      { 'if-none-match': `"${version}"` },
      { 'if-match': '*', 'if-none-match': '*' },
    ]) {
      expect(() => insistenceOf(headers)).toThrow(AgentfsError)
    }
  })

  it('let a reader keep what it has', () => {
    expect(hasVersion(`"${version}"`, version)).toBe(true)
    expect(hasVersion(`"x", W/"${version}"`, version)).toBe(true)
    expect(hasVersion('*', version)).toBe(true)
    expect(hasVersion(`"${uuidv7()}"`, version)).toBe(false)
    expect(hasVersion(undefined, version)).toBe(false)
    expect(hasVersion('*', null)).toBe(false)
  })
})
