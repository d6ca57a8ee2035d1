import type { Extent } from '@agentfs/crypto'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { coalescibleTail } from '../commit/coalesce.js'
import { covers, differingRuns, layOver } from './extents.js'

const SIZE_MAX = 60

/** What extents say of each byte: which byte of which part; null for a hole. */
function bytesOf(extents: readonly Extent[], size: number): (string | null)[] {
  const bytes: (string | null)[] = Array.from({ length: size }, () => null)
  for (const { offset, length, partId, partOffset } of extents) {
    for (let at = 0; at < length; at++) bytes[offset + at] = `${partId}:${partOffset + at}`
  }
  return bytes
}

const run = fc.record({ offset: fc.nat(40), length: fc.integer({ min: 1, max: 15 }) })
const writes = fc.array(fc.record({ runs: fc.array(run, { maxLength: 3 }), size: fc.nat(SIZE_MAX) }), {
  maxLength: 8,
})

describe('extents', () => {
  it('differ exactly where two lists take a byte from different places', () => {
    const list = fc.array(
      fc.record({
        gap: fc.nat(3),
        length: fc.integer({ min: 1, max: 6 }),
        part: fc.constantFrom('a', 'b'),
        at: fc.nat(3),
      }),
      { maxLength: 8 },
    )
    const laidOut = (
      runs: readonly { gap: number; length: number; part: string; at: number }[],
    ): Extent[] => {
      let end = 0
      return runs.map(({ gap, length, part, at }) => {
        const offset = end + gap
        end = offset + length
        return {
          offset,
          length,
          keyId: 'key',
          partId: part,
          partOffset: offset + at,
          mac: new Uint8Array(32),
        }
      })
    }
    fc.assert(
      fc.property(list, list, fc.nat(SIZE_MAX), (first, second, size) => {
        const [left, right] = [laidOut(first), laidOut(second)]
        const [a, b] = [bytesOf(left, size).slice(0, size), bytesOf(right, size).slice(0, size)]
        const differing = new Set<number>()
        for (const { from, to } of differingRuns(left, right, size)) {
          for (let at = from; at < to; at++) differing.add(at)
        }
        expect(a.map((byte, at) => byte !== b[at])).toEqual(a.map((_, at) => differing.has(at)))
      }),
    )
  })

  it('lay writes over one another as bytes would, and stay ordered and disjoint', () => {
    fc.assert(
      fc.property(writes, (steps) => {
        let extents: Extent[] = []
        let model: (string | null)[] = []
        steps.forEach(({ runs, size }, step) => {
          const over = runs.map(({ offset, length }, index) => ({
            offset,
            length,
            keyId: 'key',
            partId: `${step}.${index}`,
            partOffset: 0,
            mac: new Uint8Array(32),
          }))
          extents = layOver(extents, over, size)
          const grown = Array.from({ length: SIZE_MAX + 20 }, (_, at) => model[at] ?? null)
          for (const extent of over) {
            for (let at = 0; at < extent.length; at++) grown[extent.offset + at] = `${extent.partId}:${at}`
          }
          model = grown.slice(0, size)
          expect(bytesOf(extents, size)).toEqual(model)
          let end = 0
          for (const { offset, length } of extents) {
            expect(offset).toBeGreaterThanOrEqual(end)
            end = offset + length
          }
          expect(covers(extents, size)).toBe(!model.includes(null))
        })
      }),
    )
  })

  it('of a log of equal appends stay few, each byte rewritten a few times', () => {
    const lengths: number[] = []
    let rewritten = 0
    for (let count = 0; count < 20_000; count++) {
      let offset = 0
      const extents = lengths.map((length) => {
        const extent = { offset, length, keyId: 'k', partId: 'p', partOffset: 0, mac: new Uint8Array(32) }
        offset += length
        return extent
      })
      const tail = coalescibleTail(extents)
      if (tail !== undefined) {
        lengths.splice(tail.first, tail.end - tail.first, tail.to - tail.from)
        rewritten += tail.to - tail.from
      }
      lengths.push(100)
    }
    expect(lengths.length).toBeLessThanOrEqual(64)
    expect(rewritten).toBeLessThan(6 * 20_000 * 100)
  })
})
