import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory, type TemporaryDirectory } from '@agentfs/testkit'
import { makeFolders, removeFolders } from './make-folders.js'

let place: TemporaryDirectory

beforeEach(async () => {
  place = await temporaryDirectory('folders')
})

afterEach(() => place.remove())

describe('makeFolders', () => {
  it('makes what is missing, answers it, and has no quarrel with what is there', () => {
    const deep = join(place.path, 'a/b/c')
    const made = [join(place.path, 'a'), join(place.path, 'a/b'), deep]
    expect(makeFolders(deep, 0o700)).toEqual(made)
    expect(statSync(deep).mode & 0o777).toBe(0o700)
    expect(makeFolders(deep)).toEqual([])
    removeFolders(made)
    expect(existsSync(join(place.path, 'a'))).toBe(false)
  })

  it('says at once why it cannot, below /proc too, where making says that nothing is there', () => {
    expect(() => makeFolders('/proc/x/y')).toThrow(/^cannot make \/proc\/x\/y: ENOENT/)
    const file = join(place.path, 'file')
    writeFileSync(file, '')
    expect(() => makeFolders(file)).toThrow(`cannot make ${file}: it is a file`)
    expect(() => makeFolders(join(file, 'below'))).toThrow(/^cannot make .*\/below: ENOTDIR/)
  })
})
