import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { RecentMap } from './recent-map.js'

describe('a map of recently used entries', () => {
  it('never weighs more than it may, keeps what was used within half of that, and tells of all that leaves', () => {
    const weightMax = 20
    const uses = fc.array(fc.record({ name: fc.nat(30), weight: fc.integer({ min: 1, max: 6 }) }), {
      maxLength: 200,
    })
    fc.assert(
      fc.property(uses, (used) => {
        const living = new Set<{ name: number; weight: number }>()
        const map = new RecentMap<{ name: number; weight: number }>(
          weightMax,
          ({ weight }) => weight,
          (left) => void living.delete(left),
        )
        const recent = new Map<number, { name: number; weight: number }>()
        for (const use of used) {
          if (map.get(String(use.name)) === undefined) {
            map.set(String(use.name), use)
            living.add(use)
          }
          const kept = map.get(String(use.name)) ?? use
          recent.delete(use.name)
          recent.set(use.name, kept)
          const total = [...living].reduce((sum, { weight }) => sum + weight, 0)
          expect(total).toBeLessThanOrEqual(weightMax)
          let weighed = 0
          for (const value of [...recent.values()].reverse()) {
            weighed += value.weight
            if (weighed > weightMax / 2) break
            expect(map.get(String(value.name))).toBe(value)
          }
        }
      }),
    )
  })

  it('does not keep what is heavier than half of all, and forgets what is deleted', () => {
    const left: number[] = []
    const map = new RecentMap<number>(
      10,
      (value) => value,
      (value) => void left.push(value),
    )
    map.set('heavy', 6)
    map.set('light', 5)
    expect([map.get('heavy'), map.get('light')]).toEqual([undefined, 5])
    map.delete('light')
    expect(map.get('light')).toBeUndefined()
    expect(left).toEqual([6, 5])
  })
})
