import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { buildSegment } from './build-segment.js'
import { SEGMENT_V1 } from './fixtures/segment-v1.js'
import { openSegmentIndex, type ReadRange, readSegmentEntry } from './open-segment-index.js'
import { parseSegment } from './parse-segment.js'
import type { PlacedSegmentEntry, SegmentEntry, SegmentHeader } from './segment.js'
import {
  ENTRY_HEADER_BYTES,
  FOOTER_BYTES,
  HEADER_BYTES,
  INDEX_ENTRY_BYTES,
  segmentOverheadBytes,
} from './segment-layout.js'

type Input = SegmentHeader & { readonly entries: readonly SegmentEntry[] }

const id = fc.uuid()
const sealed = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 41, maxLength: 3_000 }))

const kinds = fc.constantFrom('part', 'manifest', 'record', 'recordBlock', 'treeImage')
const drawnEntry = fc.record({ id, kind: kinds, keyId: id, at: fc.nat(), covers: fc.nat(), sealed })

/** Any segment that may be built. */
const segments: fc.Arbitrary<Input> = fc
  .record({
    segmentId: id,
    tenantId: id,
    streamId: id,
    agentId: fc.option(id),
    epoch: fc.integer({ min: 0, max: 0xffffffff }),
    firstSeq: fc.oneof(fc.nat(), fc.integer({ min: 2 ** 40, max: 2 ** 52 })),
    span: fc.integer({ min: 0, max: 5_000 }),
    drawn: fc.uniqueArray(drawnEntry, { minLength: 1, maxLength: 12, selector: (one) => one.id }),
  })
  .map(({ drawn, span, firstSeq, ...header }) => {
    const lastSeq = firstSeq + span
    const entries = drawn.map(({ at, covers, ...entry }): SegmentEntry => {
      const seq = firstSeq + (at % (span + 1))
      return { ...entry, seq, count: entry.kind === 'recordBlock' ? 1 + (covers % (lastSeq - seq + 1)) : 1 }
    })
    return { ...header, firstSeq, lastSeq, entries }
  })

const plain = ({
  kind,
  id: entryId,
  keyId,
  seq,
  count,
  sealed: bytes,
}: SegmentEntry | PlacedSegmentEntry) => ({
  kind,
  id: entryId,
  keyId,
  seq,
  count: count ?? 1,
  sealed: Buffer.from(bytes).toString('hex'),
})

const rangesOf =
  (bytes: Uint8Array, read: number[] = []): ReadRange =>
  async (offset, length) => {
    read.push(length)
    expect(offset + length).toBeLessThanOrEqual(bytes.length)
    return bytes.slice(offset, offset + length)
  }

describe('a segment', () => {
  it('gives back what was packed: whole, by its index, and by the placements', async () => {
    await fc.assert(
      fc.asyncProperty(segments, async (input) => {
        const { entries, ...header } = input
        const { bytes, placements } = buildSegment(input)
        const parsed = parseSegment(bytes, 'seg')
        expect(parsed.header).toEqual(header)
        expect(parsed.entries.map(plain)).toEqual(entries.map(plain))

        const readRange = rangesOf(bytes)
        const index = await openSegmentIndex(readRange, bytes.length, 'seg')
        expect(index.header).toEqual(header)
        const read = await Promise.all(
          index.entries.map((one) => readSegmentEntry(readRange, index.header, one, 'seg')),
        )
        expect(read).toEqual(parsed.entries.map((one) => ({ ...one, sealed: expect.anything() })))
        expect(read.map(plain)).toEqual(entries.map(plain))

        for (const entry of entries) {
          const { offset, length } = placements.get(entry.id) ?? { offset: -1, length: -1 }
          expect(Buffer.from(bytes.subarray(offset, offset + length)).equals(entry.sealed)).toBe(true)
        }
      }),
    )
  })

  it('has the size that the layout works out', () => {
    const entries = [112, 212, 312].map((length, index) => ({
      ...(SEGMENT_V1.entries[0] as SegmentEntry),
      id: `0192f000-0000-7000-8000-00000000000${index}`,
      sealed: new Uint8Array(length),
    }))
    expect(buildSegment({ ...SEGMENT_V1, entries }).bytes).toHaveLength(1_124)
    expect(segmentOverheadBytes(3) + 112 + 212 + 312).toBe(1_124)
    expect([HEADER_BYTES, ENTRY_HEADER_BYTES, INDEX_ENTRY_BYTES, FOOTER_BYTES]).toEqual([112, 64, 40, 64])
  })

  it('stays readable for ever: version 1', () => {
    const hex = readFileSync(new URL('./fixtures/segment-v1.hex', import.meta.url), 'utf8')
    const fixture = Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')
    const { entries, ...header } = SEGMENT_V1
    const parsed = parseSegment(fixture, 'fixture')
    expect(parsed.header).toEqual(header)
    expect(parsed.entries.map(plain)).toEqual(entries.map(plain))
    expect(Buffer.from(buildSegment(SEGMENT_V1).bytes).equals(fixture)).toBe(true)
  })

  it('needs two ranges for its index, three for a long one, and never reads a payload for it', async () => {
    const entries = Array.from({ length: 2_000 }, (_, index): SegmentEntry => ({
      ...(SEGMENT_V1.entries[0] as SegmentEntry),
      id: `0192f000-0000-7000-8000-${index.toString().padStart(12, '0')}`,
      sealed: randomBytes(500),
    }))
    for (const [count, lengths] of [
      [1_000, [112, 65_536]],
      [2_000, [112, 65_536, 80_000]],
    ] as const) {
      const { bytes } = buildSegment({ ...SEGMENT_V1, entries: entries.slice(0, count) })
      const read: number[] = []
      const index = await openSegmentIndex(rangesOf(bytes, read), bytes.length, 'seg')
      expect(index.entries).toHaveLength(count)
      expect(read).toEqual(lengths)
    }
  })

  const [first] = SEGMENT_V1.entries as [SegmentEntry]
  it.each<[string, Partial<Input>]>([
    ['no entries', { entries: [] }],
    ['stands in it twice', { entries: [first, first] }],
    ['out of the range', { entries: [{ ...first, seq: 40 }] }],
    ['out of the range', { entries: [{ ...first, kind: 'recordBlock', seq: 42, count: 4_294_967_260 }] }],
    ['counts 2 seqs', { entries: [{ ...first, count: 2 }] }],
    ['counts 0 seqs', { entries: [{ ...first, count: 0 }] }],
    ['not ids', { entries: [{ ...first, id: 'nonsense' }] }],
    ['is no id', { tenantId: 'nonsense' }],
    ['no epoch', { epoch: -1 }],
    ['no range', { firstSeq: 5, lastSeq: 4 }],
    ['no range', { firstSeq: Number.NaN }],
  ])('is not built from what no reader would take: %s', (why, change) => {
    expect(() => buildSegment({ ...SEGMENT_V1, ...change })).toThrow(why)
  })
})
