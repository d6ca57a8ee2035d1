import { describe, expect, it } from '@jest/globals'
import { parseRange } from './byte-range.js'

describe('a Range header', () => {
  it('names one range, from, to, or the end', () => {
    expect(parseRange('bytes=0-9')).toEqual({ from: 0, to: 9 })
    expect(parseRange('bytes=5-')).toEqual({ from: 5 })
    expect(parseRange('bytes=-5')).toEqual({ suffix: 5 })
    expect(parseRange('BYTES=0-0')).toEqual({ from: 0, to: 0 })
  })

  it('is ignored where it is malformed, of another unit, or names several (RFC 9110, 14.2)', () => {
    for (const header of [
      undefined,
      '',
      'bytes=',
      'bytes=-',
      'bytes=9-5',
      'bytes=0-1,3-4',
      'lines=0-1',
      'bytes=a-b',
      'bytes=1.5-2',
    ]) {
      expect(parseRange(header)).toBeNull()
    }
  })
})
