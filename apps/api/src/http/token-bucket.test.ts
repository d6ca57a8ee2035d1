import { describe, expect, it } from '@jest/globals'
import { TokenBuckets } from './token-bucket.js'

describe('token buckets', () => {
  it('give out the burst, then the rate, and say how long to wait', () => {
    const buckets = new TokenBuckets({ burst: 2, perSecond: 4 })
    expect([0, 1, 2].map(() => buckets.take('a', 0))).toEqual([0, 0, 0.25])
    expect(buckets.peek('a', 250)).toBe(0)
    expect(buckets.take('a', 250)).toBe(0)
    expect(buckets.take('a', 250)).toBe(0.25)
    expect(buckets.take('b', 250)).toBe(0)
  })

  it('never fill above the burst, nor run backwards with the clock', () => {
    const buckets = new TokenBuckets({ burst: 1, perSecond: 1 })
    expect(buckets.take('a', 10_000)).toBe(0)
    expect(buckets.take('a', 0)).toBe(1)
    expect(buckets.take('a', 100_000)).toBe(0)
    expect(buckets.take('a', 100_000)).toBe(1)
  })

  it('keep a bounded number of keys, whatever is made up', () => {
    const buckets = new TokenBuckets({ burst: 1, perSecond: 0.001 }, 1_000)
    for (let key = 0; key < 10_000; key++) expect(buckets.take(String(key), key)).toBe(0)
    expect(buckets.size).toBeLessThanOrEqual(1_000)
  })
})
