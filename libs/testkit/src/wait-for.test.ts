import { describe, expect, it } from '@jest/globals'
import { waitFor } from './wait-for.js'

describe('waitFor', () => {
  it('gives what the condition gave, also 0 and the empty string', async () => {
    let looks = 0
    expect(await waitFor(() => (++looks < 3 ? undefined : 'there'), { deadlineMs: 1_000, what: 'it' })).toBe(
      'there',
    )
    expect(looks).toBe(3)
    expect(await waitFor(() => 0, { deadlineMs: 10, what: 'it' })).toBe(0)
    expect(await waitFor(async () => '', { deadlineMs: 10, what: 'it' })).toBe('')
  })

  it('names what it waited for, and why the last look failed', async () => {
    await expect(waitFor(() => false, { deadlineMs: 20, what: 'the moon' })).rejects.toThrow(
      'waited 20 ms for the moon',
    )
    const failing = () => {
      throw new Error('clouds')
    }
    await expect(waitFor(failing, { deadlineMs: 20, what: 'the moon' })).rejects.toThrow(
      'for the moon: clouds',
    )
  })

  it('ends at the deadline though a look never comes back', async () => {
    const stuck = () => Promise.withResolvers<boolean>().promise
    await expect(waitFor(stuck, { deadlineMs: 20, what: 'an answer' })).rejects.toThrow('did not come back')
  })
})
