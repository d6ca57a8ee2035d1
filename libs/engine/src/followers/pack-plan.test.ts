import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { isDue, planSegment, PACK_BYTES_MAX, STAGED_AGE_MS_MAX } from './pack-plan.js'

const commits = fc
  .array(fc.record({ bytes: fc.integer({ min: 1, max: 2_000 }), forks: fc.boolean() }), { maxLength: 60 })
  .map((steps) => {
    let epoch = 0
    return steps.map(({ bytes, forks }, index) => ({
      epoch: (epoch += forks ? 1 : 0),
      seq: index + 1,
      bytes,
    }))
  })

describe('planning a segment', () => {
  it('[DUR-6] covers every commit once, in order, over any number of segments', () => {
    fc.assert(
      fc.property(commits, fc.integer({ min: 1, max: 10_000 }), (all, bytesMax) => {
        let waiting = all
        const packed: number[] = []
        while (waiting.length > 0) {
          const plan = planSegment(waiting, bytesMax)!
          const taken = waiting.filter(({ epoch, seq }) => epoch === plan.epoch && seq <= plan.lastSeq)
          expect(plan.bytes).toBe(taken.reduce((sum, { bytes }) => sum + bytes, 0))
          expect(taken.length === 1 || plan.bytes <= bytesMax).toBe(true)
          packed.push(...taken.map(({ seq }) => seq))
          waiting = waiting.slice(taken.length)
        }
        expect(packed).toEqual(all.map(({ seq }) => seq))
      }),
    )
  })

  it('[VIS-3] never cuts a commit, however large', () => {
    const huge = { epoch: 1, seq: 1, bytes: 10 * PACK_BYTES_MAX }
    expect(planSegment([huge, { epoch: 1, seq: 2, bytes: 1 }])).toMatchObject({ firstSeq: 1, lastSeq: 1 })
  })

  it('plans nothing where nothing waits', () => {
    expect(planSegment([])).toBeUndefined()
  })
})

describe('a stream is due', () => {
  const nowMs = 1_000_000
  const fresh = { stagedBytes: 1, stagedSince: new Date(nowMs), flushRequestedAt: null }

  it('by size, by age and by a flush request, and never when it is empty', () => {
    expect(isDue(fresh, nowMs)).toBe(false)
    expect(isDue(fresh, nowMs + STAGED_AGE_MS_MAX - 1)).toBe(false)
    expect(isDue(fresh, nowMs + STAGED_AGE_MS_MAX)).toBe(true)
    expect(isDue({ ...fresh, stagedBytes: PACK_BYTES_MAX }, nowMs)).toBe(true)
    expect(isDue({ ...fresh, flushRequestedAt: 'now' }, nowMs)).toBe(true)
    expect(isDue({ ...fresh, stagedSince: null, flushRequestedAt: 'now' }, nowMs + 1e9)).toBe(false)
  })
})
