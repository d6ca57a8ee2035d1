import { describe, expect, it } from '@jest/globals'
import { unwrapKey, wrapKey, WRAPPED_KEY_BYTES, wrappedKekVersion } from './wrapped-key.js'

const place = {
  kek: Buffer.alloc(32, 9),
  kekVersion: 2,
  tenantId: '0192f000-0000-7000-8000-000000000001',
  keyId: '0192f000-0000-7000-8000-000000000002',
  keyVersion: 1,
}
const other = '0192f000-0000-7000-8000-0000000000ff'
const key = Buffer.alloc(32, 5)
const refusal = expect.objectContaining({
  code: 'object_corrupt',
  details: expect.objectContaining({ objectId: place.keyId, objectKind: 'wrapped_key' }),
})

describe('a wrapped key', () => {
  it('[ENC-1] is 65 bytes, holds no key bytes and opens at its place', () => {
    const wrapped = wrapKey(place, key)
    expect(wrapped).toHaveLength(WRAPPED_KEY_BYTES)
    expect(wrapped.includes(key.subarray(0, 8))).toBe(false)
    expect(wrappedKekVersion(place, wrapped)).toBe(2)
    expect(unwrapKey(place, wrapped)).toEqual(key)
  })

  it.each([
    ['tenant', { tenantId: other }],
    ['key version', { keyVersion: 2 }],
    ['KEK version', { kekVersion: 3 }],
    ['KEK', { kek: Buffer.alloc(32, 8) }],
  ])('[ENC-2] is refused by name at another %s', (_, change) => {
    expect(() => unwrapKey({ ...place, ...change }, wrapKey(place, key))).toThrow(refusal)
  })

  it('[ENC-2] is refused under another key id, when flipped anywhere, and when cut', () => {
    expect(() => unwrapKey(place, wrapKey({ ...place, keyId: other }, key))).toThrow(refusal)
    const wrapped = wrapKey(place, key)
    for (let at = 0; at < wrapped.length; at++) {
      const flipped = Buffer.from(wrapped)
      flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at)
      expect(() => unwrapKey(place, flipped)).toThrow(refusal)
      expect(() => unwrapKey(place, wrapped.subarray(0, at))).toThrow(refusal)
    }
    expect(() => wrappedKekVersion(place, wrapped.subarray(1))).toThrow(refusal)
  })

  it('never wraps twice alike', () => {
    expect(wrapKey(place, key)).not.toEqual(wrapKey(place, key))
  })
})
