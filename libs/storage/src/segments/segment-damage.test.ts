import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { buildSegment } from './build-segment.js'
import { SEGMENT_V1 } from './fixtures/segment-v1.js'
import { openSegmentIndex, readSegmentEntry } from './open-segment-index.js'
import { parseSegment } from './parse-segment.js'
import { scanSegment } from './scan-segment.js'
import { damageOf } from './segment-damage.js'
import { ENTRY_HEADER_BYTES, FOOTER_BYTES, HEADER_BYTES } from './segment-layout.js'

const { bytes: whole, placements } = buildSegment(SEGMENT_V1)
const indexOffset = whole.length - FOOTER_BYTES - SEGMENT_V1.entries.length * 40

/** The part of the segment that a byte belongs to, as errors name it. */
function placeOf(offset: number): string {
  if (offset < HEADER_BYTES) return 'the header'
  if (offset >= whole.length - FOOTER_BYTES) return 'the footer'
  if (offset >= indexOffset) return 'the index'
  const starts = [...placements.values()].map((placement) => placement.offset - ENTRY_HEADER_BYTES)
  return `the entry at byte ${starts.findLast((start) => start <= offset) ?? 'nowhere'}`
}

function flipped(offset: number, mask: number): Uint8Array {
  const bytes = Uint8Array.from(whole)
  bytes[offset] = (bytes[offset] ?? 0) ^ mask
  return bytes
}

function failureOf(read: () => unknown): unknown {
  try {
    read()
  } catch (error) {
    return error
  }
  return undefined
}

const rangesOf = (bytes: Uint8Array) => async (from: number, length: number) =>
  bytes.subarray(from, from + length)

/** Where reading index and entries by ranges finds damage. */
async function placesRefused(bytes: Uint8Array): Promise<(string | undefined)[]> {
  try {
    const { header, entries } = await openSegmentIndex(rangesOf(bytes), bytes.length, 'seg')
    const reads = entries.map((entry) => readSegmentEntry(rangesOf(bytes), header, entry, 'seg'))
    const outcomes = await Promise.allSettled(reads)
    return outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [damageOf(outcome.reason)?.place] : [],
    )
  } catch (error) {
    return [damageOf(error)?.place]
  }
}

/** Bytes that look like a segment in places: garbage, and a real one cut, spliced and overwritten. */
const garbage = fc.oneof(
  fc.uint8Array({ maxLength: 600 }),
  fc
    .record({
      at: fc.nat(whole.length),
      remove: fc.nat(200),
      insert: fc.uint8Array({ maxLength: 100 }),
      fields: fc.array(
        fc.record({ at: fc.nat(whole.length - 4), value: fc.constantFrom(0, 1, 0x7fffffff, 0xffffffff) }),
        { maxLength: 3 },
      ),
    })
    .map(({ at, remove, insert, fields }) => {
      const bytes = Buffer.from(whole)
      for (const field of fields) bytes.writeUInt32BE(field.value, field.at)
      return new Uint8Array(Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]))
    }),
)

describe('a damaged segment', () => {
  it('[ENC-2] is refused for any flipped byte, naming the object and the place', () => {
    for (let offset = 0; offset < whole.length; offset++) {
      for (const mask of [0x01, 0x80, 0xff]) {
        const error = failureOf(() => parseSegment(flipped(offset, mask), 'tenants/t/seg/s'))
        expect([offset, damageOf(error)?.place]).toEqual([offset, placeOf(offset)])
        expect(error).toMatchObject({ code: 'object_corrupt', details: { object: 'tenants/t/seg/s' } })
        expect(String(error)).toContain('tenants/t/seg/s')
      }
    }
  })

  it('[ENC-2] is refused for any flipped byte when it is read by ranges, naming the place', async () => {
    for (let offset = 0; offset < whole.length; offset++) {
      expect([offset, await placesRefused(flipped(offset, 0x10))]).toEqual([offset, [placeOf(offset)]])
    }
  })

  it('[ENC-2] is refused when it is cut, or longer than it was', () => {
    for (let length = 0; length < whole.length; length++) {
      expect(failureOf(() => parseSegment(whole.subarray(0, length), 'seg'))).toMatchObject({
        code: 'object_corrupt',
      })
    }
    const longer = Buffer.concat([whole, Buffer.alloc(1)])
    expect(failureOf(() => parseSegment(longer, 'seg'))).toMatchObject({ code: 'object_corrupt' })
  })

  it('never makes a reader crash, hang, or fail otherwise than by name, whatever the bytes', async () => {
    await fc.assert(
      fc.asyncProperty(garbage, async (bytes) => {
        const opening = await openSegmentIndex(rangesOf(bytes), bytes.length, 'seg').catch(
          (reason: unknown) => reason,
        )
        const parsing = failureOf(() => parseSegment(bytes, 'seg'))
        const errors = [opening, parsing].filter((outcome) => outcome instanceof Error)
        expect(errors.map(damageOf)).not.toContain(undefined)
        expect(scanSegment(bytes, 'seg').damage.length > 0).toBe(parsing !== undefined)
      }),
      { numRuns: 1_000 },
    )
  })

  it('[DUR-6] loses at most the entry that a flipped byte stands in, to a scan', () => {
    const known = SEGMENT_V1.entries.map((entry) => entry.id)
    for (let offset = 0; offset < whole.length; offset++) {
      const { header, entries, damage } = scanSegment(flipped(offset, 0x04), 'seg')
      const lost = known.filter((id) => !entries.some((entry) => entry.id === id))
      const place = placeOf(offset)
      const hit = [...placements].find(
        ([, { offset: from }]) => place === `the entry at byte ${from - ENTRY_HEADER_BYTES}`,
      )
      expect([offset, lost]).toEqual([offset, hit === undefined ? [] : [hit[0]]])
      expect(header === null).toBe(offset < HEADER_BYTES)
      expect(damage.map((one) => one.place)).toContain(place)
    }
  })

  it('[DUR-6] yields every entry before a cut, to a scan', () => {
    for (const [index, { offset, length }] of [...placements.values()].entries()) {
      const { entries, damage } = scanSegment(whole.subarray(0, offset + length), 'seg')
      expect(entries.map((entry) => entry.id)).toEqual(
        SEGMENT_V1.entries.slice(0, index + 1).map((entry) => entry.id),
      )
      expect(damage.length).toBeGreaterThan(0)
    }
  })

  it('is whole, to a scan too, when nothing happened to it', () => {
    const scanned = scanSegment(whole, 'seg')
    expect(scanned.damage).toEqual([])
    expect(scanned.entries).toHaveLength(SEGMENT_V1.entries.length)
  })
})
