import { mkdir } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { temporaryDirectory, type TemporaryDirectory } from '@agentfs/testkit'
import { lookedUp } from './shared-lookup.js'

/** As Node throws it: it has no name for this one. */
const stale = () =>
  Object.assign(new Error('Unknown system error -116: read'), {
    code: 'Unknown system error -116',
    errno: -constants.errno.ESTALE,
  })
const absent = () => Object.assign(new Error('ENOENT'), { code: 'ENOENT', errno: -constants.errno.ENOENT })

describe('a look-up where other machines write too', () => {
  let directory: TemporaryDirectory
  beforeEach(async () => {
    directory = await temporaryDirectory('lookup')
    await mkdir(join(directory.path, 'landmark'))
  })
  const folder = () => ({ root: directory.path, landmark: join(directory.path, 'landmark') })
  afterEach(async () => directory.remove())

  /** Looks `path` up: the answers one after the other, the last again and again. */
  const looking = async (path: string, ...answers: (() => Error | string)[]) => {
    let looks = 0
    const found = await lookedUp(folder(), join(directory.path, path), () => {
      const answer = (answers[looks++] ?? answers.at(-1))?.()
      return typeof answer === 'string' ? Promise.resolve(answer) : Promise.reject(answer ?? absent())
    }).catch((error: unknown) => error)
    return { found, looks }
  }
  const here = () => 'here'

  it('believes that a file is absent when it was asked for anew, whatever of its folders is there', async () => {
    await mkdir(join(directory.path, 'a/b'), { recursive: true })
    for (const path of ['x', 'a/x', 'a/b/x', 'a/c/d/x']) {
      expect(await looking(path, absent, here)).toEqual({ found: 'here', looks: 2 })
      expect(await looking(path, absent)).toMatchObject({ found: { code: 'ENOENT' }, looks: 2 })
    }
  })

  it('looks again for a file that was removed on another machine while it was read', async () => {
    expect(await looking('x', stale, here)).toEqual({ found: 'here', looks: 2 })
    expect(await looking('x', stale, stale, here)).toEqual({ found: 'here', looks: 3 })
    expect(await looking('x', stale, absent)).toMatchObject({ found: { code: 'ENOENT' }, looks: 2 })
    expect(await looking('x', stale)).toMatchObject({
      found: { errno: -constants.errno.ESTALE },
      looks: 10,
    })
  })

  it('throws anything else at once', async () => {
    const refused = () => Object.assign(new Error('EACCES'), { code: 'EACCES' })
    expect(await looking('x', refused, here)).toMatchObject({ found: { code: 'EACCES' }, looks: 1 })
  })
})
