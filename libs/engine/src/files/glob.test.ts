import { describe, expect, it } from '@jest/globals'
import { globDepth, globMatcher } from './glob.js'

describe('globs', () => {
  it.each([
    ['*.md', 'notes/a.md', true],
    ['*.md', 'notes/a.txt', false],
    ['notes/*', 'notes/a.md', true],
    ['notes/*', 'notes/deep/a.md', false],
    ['notes/**', 'notes/deep/a.md', true],
    ['**/a.md', 'a.md', true],
    ['**/deep/*.md', 'x/y/deep/a.md', true],
    ['**', 'anything/at/all', true],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['[a-c]x', 'bx', true],
    ['[!a-c]x', 'bx', false],
    ['*.{md,txt}', 'a.txt', true],
    ['{a,b{c,d}}', 'bd', true],
    ['a*b*c', 'axxbyybzzc', true],
    ['a*b*c', 'axxbyybzz', false],
    ['[', '[', true],
    ['über*', 'über.md', true],
  ])('%s on %s: %s', (pattern, path, expected) => {
    expect(globMatcher(pattern)(path.split('/'))).toBe(expected)
  })

  it.each([
    ['*.md', 1],
    ['notes/*.md', 2],
    ['{a,b/c/*}', 3],
    ['**/*.md', 64],
    ['a/'.repeat(100) + 'b', 64],
  ])('%s reaches %d levels deep', (pattern, levels) => {
    expect(globDepth(pattern)).toBe(levels)
  })

  it('answers at once, whatever the pattern', () => {
    const startedAt = performance.now()
    expect(globMatcher(`${'*a'.repeat(400)}b`)(['a'.repeat(255)])).toBe(false)
    expect(globMatcher('**/'.repeat(300) + 'x')(Array.from({ length: 500 }, () => 'a'))).toBe(false)
    expect(performance.now() - startedAt).toBeLessThan(2_000)
    expect(() => globMatcher('{a,b}'.repeat(20))).toThrow('alternatives')
  })
})
