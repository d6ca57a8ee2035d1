import { describe, expect, it } from '@jest/globals'
import { AgentfsError } from '@agentfs/contracts'
import fc from 'fast-check'
import { filePathOf } from './raw-path.js'

const HOME = '/v1/agents/a/files'

function refusal(url: string): string {
  try {
    filePathOf(url)
  } catch (error) {
    if (error instanceof AgentfsError) return error.code
    throw error
  }
  return 'accepted'
}

/** The path, null where it was refused; anything thrown but a refusal fails the test. */
function decoded(url: string): string | null {
  return refusal(url) === 'accepted' ? filePathOf(url) : null
}

describe('the path of a file in a URL', () => {
  it('is decoded by segment', () => {
    expect(filePathOf(`${HOME}/notes/a%20b.md?version=3`)).toBe('notes/a b.md')
    expect(filePathOf(`${HOME}/%C3%A4/%25.md#x`)).toBe('ä/%.md')
    expect(filePathOf(`${HOME}/+%2B%3F%23&=`)).toBe('++?#&=')
    expect(filePathOf(HOME)).toBe('')
    expect(filePathOf(`${HOME}/`)).toBe('')
  })

  it('[FS-6] is refused where a name would hold a slash, a NUL, be a dot segment or nothing', () => {
    for (const path of [
      'a%2Fb',
      'a%2fb',
      '%2F',
      '..',
      'a/../b',
      '%2e%2e/x',
      '.%2E',
      '%2e',
      './a',
      'a//b',
      '/a',
      'a/',
      'a%00b',
      '%00',
      '%0',
      '%zz',
      '%ff',
      '%C3',
      '%ED%A0%80',
      'x'.repeat(256),
      '%C3%A4'.repeat(128),
      'a/'.repeat(2_100) + 'b',
    ]) {
      expect(`${path.slice(0, 20)} ${refusal(`${HOME}/${path}`)}`).toBe(`${path.slice(0, 20)} invalid_path`)
    }
    expect(refusal('/v1/agents/a/%66iles/x')).toBe('invalid_path')
    expect(refusal('/v1//agents/a/files/x')).toBe('invalid_path')
  })

  it('[FS-6] round-trips every name that can be written', () => {
    const segment = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
      .filter(
        (it_) =>
          it_.isWellFormed() &&
          !/[/\0]/.test(it_) &&
          it_ !== '.' &&
          it_ !== '..' &&
          Buffer.byteLength(it_) <= 255,
      )
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 8 }), (segments) => {
        const url = `${HOME}/${segments.map(encodeURIComponent).join('/')}?x=1`
        expect(filePathOf(url)).toBe(segments.join('/'))
      }),
    )
  })

  it('[FS-6] never yields a dot segment, an empty one or a NUL, however it is written', () => {
    const piece = fc.constantFrom(
      '.',
      '..',
      '%2e',
      '%2E',
      '%2f',
      '%5c',
      '\\',
      '/',
      '//',
      '%00',
      '%',
      'a',
      '%C0%AE',
      '%252e',
      ';',
      '?',
      '#',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const path = decoded(`${HOME}/${pieces.join('')}`)
        if (path === null || path === '') return
        for (const name of path.split('/')) expect(['', '.', '..']).not.toContain(name)
        expect(path).not.toContain('\0')
      }),
      { numRuns: 2_000 },
    )
  })
})
