import { execFileSync } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { temporaryDirectory, type TemporaryDirectory, waitFor } from '@agentfs/testkit'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { LogFile } from './log-file.js'

describe('a log file', () => {
  let directory: TemporaryDirectory
  let path: string

  beforeEach(async () => {
    directory = await temporaryDirectory('log')
    path = join(directory.path, 'service.log')
  })
  afterEach(() => directory.remove())

  it('has its lines soon, in order, and all of them when it is closed', async () => {
    const file = new LogFile(path)
    file.write('one\n')
    file.write('two\n')
    await waitFor(async () => (await readFile(path, 'utf8')) === 'one\ntwo\n', {
      deadlineMs: 5_000,
      what: 'two lines',
    })
    file.write('three\n')
    file.close()
    expect(await readFile(path, 'utf8')).toBe('one\ntwo\nthree\n')
  })

  it('has the last words of a process that ends by an error', async () => {
    const module = new URL('../../dist/logging/log-file.js', pathToFileURL(import.meta.filename))
    const script = `const { LogFile } = await import(${JSON.stringify(module.href)})
      new LogFile(${JSON.stringify(path)}).write('last words\\n')
      throw new Error('over')`
    expect(() =>
      execFileSync(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' }),
    ).toThrow('Command failed')
    expect(await readFile(path, 'utf8')).toBe('last words\n')
  })

  it('is moved aside at 10 MiB', async () => {
    const file = new LogFile(path)
    const line = `${'x'.repeat(1_048_575)}\n`
    for (let count = 0; count < 11; count++) file.write(line)
    file.close()
    expect((await stat(`${path}.1`)).size).toBe(10 * 1_048_576)
    expect((await stat(path)).size).toBe(1_048_576)
  })
})
