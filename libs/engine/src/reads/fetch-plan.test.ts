import { describe, expect, it } from '@jest/globals'
import { planFetch } from './fetch-plan.js'

const at = (id: string, objectOffset: number, sealedLength: number, objectKey = 'segment') => ({
  id,
  objectKey,
  objectOffset,
  sealedLength,
})
const shown = (...wanted: Parameters<typeof planFetch>[0]) =>
  planFetch(wanted).map(({ objectKey, from, length, holds }) => [
    objectKey,
    from,
    length,
    holds.map(({ id }) => id).join(' '),
  ])

describe('the requests that fetch some sealed bytes', () => {
  it('are one for neighbours of one object, in whatever order they are asked for', () => {
    expect(shown(at('manifest', 2_000, 286), at('part', 800, 1_112))).toEqual([
      ['segment', 800, 1_486, 'part manifest'],
    ])
  })

  it('are several for what lies far apart, for several objects, and for more than 1 MiB', () => {
    expect(shown(at('a', 0, 10), at('b', 70_000, 10))).toEqual([
      ['segment', 0, 10, 'a'],
      ['segment', 70_000, 10, 'b'],
    ])
    expect(shown(at('a', 0, 10, 'one'), at('b', 10, 10, 'two'))).toHaveLength(2)
    expect(shown(at('a', 0, 1_000_000), at('b', 1_000_000, 100_000))).toHaveLength(2)
  })

  it('hold what is asked for twice, and what lies within another', () => {
    expect(shown(at('a', 0, 100), at('a', 0, 100), at('b', 10, 10))).toEqual([['segment', 0, 100, 'a a b']])
    expect(planFetch([])).toEqual([])
  })
})
