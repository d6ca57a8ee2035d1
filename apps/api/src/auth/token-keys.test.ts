import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from '@jest/globals'
import { temporaryDirectory } from '@agentfs/testkit'
import { openTokenKeys } from './token-keys.js'

const onTestEnd: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of onTestEnd.splice(0)) await end()
})

describe('token keys', () => {
  it('are made once, for their owner only, and found again', async () => {
    const directory = await temporaryDirectory()
    onTestEnd.push(() => directory.remove())
    const path = join(directory.path, 'tokens')
    const [made] = await openTokenKeys(path)
    const [found, ...others] = await openTokenKeys(path)
    expect(found.kid).toBe(made.kid)
    expect(others).toEqual([])
    const [name = ''] = await readdir(path)
    expect((await stat(join(path, name))).mode & 0o777).toBe(0o600)
  })
})
