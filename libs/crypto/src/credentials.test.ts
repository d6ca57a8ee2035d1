import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  apiKeyMatches,
  formatApiKey,
  hashApiKey,
  isApiKeyText,
  makeApiKey,
  parseApiKey,
} from './credentials.js'

const tenantId = '0192f000-0000-7000-8000-000000000001'
const pepper = Buffer.alloc(32, 3)

describe('an API key', () => {
  it('has the documented form, and is read back', () => {
    const made = makeApiKey('live', tenantId)
    expect(made.text).toMatch(/^afs_live_[0-9A-Za-z]{22}_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/)
    expect(made.text).toHaveLength(95)
    expect(isApiKeyText(made.text)).toBe(true)
    expect(parseApiKey(made.text)).toEqual(made)
    expect(makeApiKey('live', tenantId).text).not.toBe(made.text)
  })

  it('keeps one text for one key, in every release', () => {
    expect(formatApiKey('test', tenantId, '0123456789aB', Buffer.alloc(32, 0xff))).toMatchInlineSnapshot(
      `"afs_test_02y8rVVHCzYEi4r0SSkfXF_0123456789aB_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1_3loyOF"`,
    )
  })

  it('reads back every tenant and secret', () => {
    const uuid = fc.uuid()
    const secret = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(uuid, secret, (tenant, bytes) => {
        const text = formatApiKey('live', tenant, '0123456789aB', bytes)
        expect(parseApiKey(text).tenantId).toBe(tenant)
      }),
    )
  })

  it('is refused before any look-up when mistyped or cut anywhere', () => {
    const { text } = makeApiKey('live', tenantId)
    for (let at = 0; at < text.length; at++) {
      const typo = text.slice(0, at) + (text[at] === 'x' ? 'y' : 'x') + text.slice(at + 1)
      for (const wrong of [typo, text.slice(0, at), text.slice(0, at) + text.slice(at + 1), `${text}x`])
        expect(() => parseApiKey(wrong)).toThrow(expect.objectContaining({ code: 'unauthenticated' }))
    }
    expect(() => parseApiKey(`${text}\n`)).toThrow(expect.objectContaining({ code: 'unauthenticated' }))
  })

  it('matches its stored hash under its pepper only', () => {
    const { text } = makeApiKey('live', tenantId)
    const stored = hashApiKey(pepper, text)
    expect(apiKeyMatches(pepper, text, stored)).toBe(true)
    expect(apiKeyMatches(pepper, makeApiKey('live', tenantId).text, stored)).toBe(false)
    expect(apiKeyMatches(Buffer.alloc(32), text, stored)).toBe(false)
    expect(apiKeyMatches(pepper, text, stored.subarray(1))).toBe(false)
  })
})
