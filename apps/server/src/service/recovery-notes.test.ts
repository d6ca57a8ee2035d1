import { describe, expect, it } from '@jest/globals'
import type { RecoveryLoss } from '@agentfs/engine'
import { reportLines } from './recovery-notes.js'

describe('the report of a recovery', () => {
  const lines = (...losses: RecoveryLoss[]): string[] =>
    reportLines({ tenants: [], losses, lossCount: losses.length, notes: [] })
  const loss = (kind: RecoveryLoss['kind']): RecoveryLoss => ({ kind, tenant: 't', detail: 'what' })

  it('says of a gap what a gap means, and not that anything reads as damaged', () => {
    const said = lines(loss('gap'))
    expect(said).toContain('1 thing is missing')
    expect(said.at(-1)).toContain('a log with a gap ends before it')
    expect(said.join('\n')).not.toContain('damaged')
  })

  it('says what each kind of loss means once', () => {
    const said = lines(loss('object'), loss('key'), loss('object'), loss('head'))
    expect(said).toContain('4 things are missing')
    expect(said.filter((line) => line.includes('reads as damaged or erased'))).toHaveLength(1)
    expect(said.at(-1)).toContain('restore an older version')
  })

  it('says that nothing is missing where nothing is', () => {
    expect(lines().at(-1)).toBe('nothing that was stored is missing')
  })
})
