import { describe, expect, it } from '@jest/globals'
import { sideBySide } from './side-by-side.js'

describe('work side by side', () => {
  it('takes each item once, so many at once', async () => {
    const done: number[] = []
    let [under, most] = [0, 0]
    await sideBySide([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
      most = Math.max(most, ++under)
      await Promise.resolve()
      done.push(item)
      under--
    })
    expect(done.toSorted((left, right) => left - right)).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(most).toBe(3)
  })

  it('begins nothing after a failure, and throws it when what was under way has ended', async () => {
    const begun: number[] = []
    const ended: number[] = []
    const { promise: later, resolve } = Promise.withResolvers<void>()
    const work = sideBySide([1, 2, 3, 4], 2, async (item) => {
      begun.push(item)
      if (item === 1) throw new Error('the first')
      await later
      ended.push(item)
    })
    const failed = work.catch((error: unknown) => error)
    resolve()
    expect(await failed).toEqual(new Error('the first'))
    expect(begun).toEqual([1, 2])
    expect(ended).toEqual([2])
  })
})
