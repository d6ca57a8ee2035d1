import type { AgentHead } from '@agentfs/storage'
import { describe, expect, it } from '@jest/globals'
import { isSameHead } from './known-places.js'

const HEAD: AgentHead = {
  agentId: '0192f000-0000-7000-8000-000000000001',
  epoch: 1,
  headSeq: 7,
  headAt: new Date('2026-01-01T00:00:00.000Z'),
  stored: { epoch: 1, seq: 3 },
}

describe('the head that a place was found at', () => {
  it('[VIS-2] is another in another epoch, at another commit, or where a restored backup went on otherwise', () => {
    const later = new Date('2026-01-01T00:00:00.001Z')
    for (const change of [{ epoch: 2 }, { headSeq: 8 }, { headAt: later }, { headAt: null }])
      expect(isSameHead(HEAD, { ...HEAD, ...change })).toBe(false)
  })

  it('is the same when more of it has been stored', () => {
    expect(isSameHead(HEAD, { ...HEAD, stored: { epoch: 1, seq: 7 } })).toBe(true)
  })
})
