import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { hideSecrets, revealSecrets } from './secret-arguments.js'

const OPTIONS = ['--token', '--password']

describe('secrets on the command line', () => {
  it('hides the value of a secret option in both spellings', () => {
    const { visible } = hideSecrets(['ls', '--token', 'agk_one', '/', '--password=two', '--json'], OPTIONS)
    expect(visible).toEqual(['ls', '--token', '(hidden)', '/', '--password=(hidden)', '--json'])
  })

  it('hides nothing where the secret comes from standard input', () => {
    expect(hideSecrets(['ls', '--token', '-'], OPTIONS)).toEqual({
      visible: ['ls', '--token', '-'],
      secrets: {},
    })
  })

  it('leaves an option alone whose name only begins alike', () => {
    const args = ['ls', '--token-file', 'key.txt', '--tokens=all']
    expect(hideSecrets(args, OPTIONS).visible).toEqual(args)
  })

  it('puts every command line back as it was typed, and shows no value of a secret option', () => {
    const argument = fc.oneof(
      fc.constantFrom('--token', '--password', '--', '-', '--token=x', '--json'),
      fc.string(),
    )
    fc.assert(
      fc.property(fc.array(argument), (args) => {
        const hidden = hideSecrets(args, OPTIONS)
        expect(revealSecrets(hidden)).toEqual(args)
        for (const [index, shown] of hidden.visible.entries()) {
          const isValue = index > 0 && OPTIONS.includes(args[index - 1] ?? '') && args[index] !== '-'
          expect(!isValue || shown.includes('(hidden)')).toBe(true)
        }
      }),
    )
  })
})
