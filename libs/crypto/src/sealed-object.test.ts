import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { OBJECT_KINDS, readObjectHeader } from './object-header.js'
import {
  openedLength,
  openObject,
  openObjectRange,
  openObjectSlice,
  SEALED_HEAD_BYTES,
  sealedLength,
  sealedRange,
  sealObject,
} from './sealed-object.js'

const key = Buffer.alloc(32, 1)
const place = {
  key,
  keyVersion: 3,
  kind: 'part',
  tenantId: '0192f000-0000-7000-8000-000000000001',
  keyId: '0192f000-0000-7000-8000-000000000002',
  objectId: '0192f000-0000-7000-8000-000000000003',
} as const
const other = '0192f000-0000-7000-8000-0000000000ff'
const text = Buffer.from('what an agent remembers')
const refusal = (reason: string) =>
  expect.objectContaining({
    code: 'object_corrupt',
    details: expect.objectContaining({ objectId: place.objectId, objectKind: 'part', reason }),
  })

describe('a sealed object', () => {
  it('[ENC-1] opens at its place, holds no plaintext, and says its kind and key version', () => {
    const sealed = sealObject(place, text)
    expect(openObject(place, sealed)).toEqual(text)
    expect(sealed.includes(text)).toBe(false)
    expect(readObjectHeader(sealed)).toEqual({ kind: 'part', keyVersion: 3 })
    expect([sealed.length, openedLength(sealed.length)]).toEqual([sealedLength(text.length), text.length])
  })

  it.each([
    ['tenant', { tenantId: other }],
    ['key id', { keyId: other }],
    ['key', { key: Buffer.alloc(32, 2) }],
  ])('[ENC-2] bytes of one place are refused at another: %s', (_, change) => {
    expect(() => openObject({ ...place, ...change }, sealObject(place, text))).toThrow(refusal('commitment'))
  })

  it('[ENC-2] a swapped object is refused under the name it was asked for', () => {
    const swapped = sealObject({ ...place, objectId: other }, text)
    expect(() => openObject(place, swapped)).toThrow(refusal('commitment'))
  })

  it('[ENC-2] another kind is refused, in the header or behind it', () => {
    const record = sealObject({ ...place, kind: 'record' }, text)
    expect(() => openObject(place, record)).toThrow(refusal('kind'))
    record.writeUInt8(OBJECT_KINDS.part, 5)
    expect(() => openObject(place, record)).toThrow(refusal('commitment'))
  })

  it('[ENC-2] every flipped bit and every cut is refused by name', () => {
    const sealed = sealObject(place, text)
    for (let at = 0; at < sealed.length; at++) {
      const flipped = Buffer.from(sealed)
      flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (at % 8)), at)
      const named = expect.objectContaining({
        details: expect.objectContaining({ objectId: place.objectId }),
      })
      expect(() => openObject(place, flipped)).toThrow(named)
      expect(() => openObject(place, sealed.subarray(0, at))).toThrow(named)
    }
  })

  it('opens any range from its first 72 bytes and the bytes of sealedRange alone', () => {
    const content = Buffer.alloc(100_000, 'agentfs ')
    const sealed = sealObject(place, content)
    fc.assert(
      fc.property(fc.nat(110_000), fc.nat(110_000), (offset, length) => {
        const { from, to } = sealedRange(offset, length, sealed.length)
        const slice = {
          head: sealed.subarray(0, SEALED_HEAD_BYTES),
          bytes: sealed.subarray(from, to),
          from,
          sealedLength: sealed.length,
        }
        const expected = content.subarray(offset, offset + length)
        expect(openObjectSlice(place, slice, offset, length).equals(expected)).toBe(true)
        expect(openObjectRange(place, sealed, offset, length).equals(expected)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('refuses an id that is not a lower-case UUID', () => {
    expect(() => sealObject({ ...place, objectId: place.objectId.toUpperCase() + 'x' }, text)).toThrow(
      RangeError,
    )
    expect(() => sealObject({ ...place, objectId: '0192F000-0000-7000-8000-000000000003' }, text)).toThrow(
      RangeError,
    )
  })
})
