import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { openChunked, openChunkedRange, openChunkedSlice, sealChunked } from './chunked-encryption.js'
import { CHUNK_BYTES, messageLength, messageRange, plainLength } from './chunked-layout.js'

const key = Buffer.alloc(32, 7)
const context = Buffer.from('a place')
const bytes = (length: number) => Buffer.from(Uint8Array.from({ length }, (_, index) => (index * 31) % 251))
const lengths = fc.oneof(
  fc.integer({ min: 0, max: 70_000 }),
  fc.constantFrom(0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES),
)

describe('Cobblestone-256', () => {
  it('[ENC-2] opens what it sealed, at every length', () => {
    fc.assert(
      fc.property(lengths, (length) => {
        const plaintext = bytes(length)
        const message = sealChunked(key, context, plaintext)
        expect(message).toHaveLength(messageLength(length))
        expect(plainLength(message.length)).toBe(length)
        expect(openChunked(key, context, message).equals(plaintext)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('[ENC-2] opens any range from the head and the chunks of messageRange alone', () => {
    fc.assert(
      fc.property(lengths, fc.nat(80_000), fc.nat(80_000), (plain, offset, length) => {
        const plaintext = bytes(plain)
        const message = sealChunked(key, context, plaintext)
        const { from, to } = messageRange(offset, length, message.length)
        const slice = {
          head: message.subarray(0, 56),
          bytes: message.subarray(from, to),
          from,
          messageLength: message.length,
        }
        const expected = plaintext.subarray(offset, offset + length)
        expect(openChunkedSlice(key, context, slice, offset, length).equals(expected)).toBe(true)
        expect(openChunkedRange(key, context, message, offset, length).equals(expected)).toBe(true)
      }),
      { numRuns: 100 },
    )
  })

  it('[ENC-2] refuses a flipped bit anywhere, a cut anywhere, and anything appended', () => {
    const message = sealChunked(key, context, bytes(CHUNK_BYTES + 100))
    fc.assert(
      fc.property(fc.nat(message.length - 1), fc.nat(7), (at, bit) => {
        const flipped = Buffer.from(message)
        flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << bit), at)
        expect(() => openChunked(key, context, flipped)).toThrow('object_corrupt')
        expect(() => openChunked(key, context, message.subarray(0, at))).toThrow('object_corrupt')
        expect(() =>
          openChunked(key, context, Buffer.concat([message, message.subarray(0, at + 1)])),
        ).toThrow('object_corrupt')
      }),
      { numRuns: 200 },
    )
  })

  it('[ENC-2] a range that reaches the end opens the final chunk, so a cut at a chunk is noticed', () => {
    const message = sealChunked(key, context, bytes(2 * CHUNK_BYTES + 5))
    const forged = Buffer.concat([message.subarray(0, 56 + CHUNK_BYTES + 16), Buffer.alloc(16)])
    expect(openChunkedRange(key, context, forged, 0, 10)).toHaveLength(10)
    expect(() => openChunkedRange(key, context, forged, 0, CHUNK_BYTES)).toThrow('object_corrupt')
    expect(() => openChunkedRange(key, context, forged, 5 * CHUNK_BYTES, 1)).toThrow('object_corrupt')
  })

  it('refuses a range that is not whole, and a slice that lacks a chunk', () => {
    const message = sealChunked(key, context, bytes(40_000))
    expect(() => openChunkedRange(key, context, message, -1, 1)).toThrow(RangeError)
    expect(() => openChunkedRange(key, context, message, 0, 0.5)).toThrow(RangeError)
    const slice = {
      head: message,
      bytes: message.subarray(0, 20_000),
      from: 0,
      messageLength: message.length,
    }
    expect(() => openChunkedSlice(key, context, slice, 17_000, 10)).toThrow('object_corrupt')
  })

  it('chooses another salt every time', () => {
    const sealed = () => sealChunked(key, context, bytes(10)).toString('hex')
    expect(sealed()).not.toBe(sealed())
  })
})
