import { describe, expect, it } from '@jest/globals'
import { processOutput } from './output.js'

/** What of a transfer, told of once a second for 25 s, was written to a stream. */
function written(options: { json: boolean; quiet: boolean }, isTTY: boolean): string[] {
  const lines: string[] = []
  const write = (text: string): boolean => lines.push(text) > 0
  let seconds = 0
  const output = processOutput(options, { isTTY, write }, () => seconds * 1_000)
  for (; seconds <= 25; seconds++) output.transferred(`${seconds}`)
  return lines
}

describe('how far long work is', () => {
  it('is a line every 10 s where there is no terminal, with --json too, and nothing with --quiet', () => {
    expect(written({ json: false, quiet: false }, false)).toEqual(['10\n', '20\n'])
    expect(written({ json: true, quiet: false }, false)).toEqual(['10\n', '20\n'])
    expect(written({ json: false, quiet: true }, false)).toEqual([])
  })

  it('is one line that is written over on a terminal', () => {
    expect(written({ json: false, quiet: false }, true)).toContain('\r\x1b[K7')
    expect(written({ json: false, quiet: false }, true)).not.toContain('10\n')
    expect(written({ json: false, quiet: true }, true)).toEqual([])
  })
})
