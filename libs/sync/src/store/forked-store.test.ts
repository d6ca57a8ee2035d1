import { cpSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isAgentfsError } from '@agentfs/contracts'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { ReferenceService } from '../testing/reference-service.js'
import { StoreFixture } from '../testing/store-fixture.js'

let service: ReferenceService
let here: StoreFixture
let copy: StoreFixture | undefined

beforeEach(() => {
  service = new ReferenceService()
  here = new StoreFixture()
  here.snapshot(service)
})

afterEach(() => {
  here.remove()
  copy?.remove()
  copy = undefined
})

/** Pushes and follows until both are idle; a store whose pushes went another way begins anew, as the engine has it. */
function sync(side: StoreFixture): void {
  for (let tries = 0; tries < 2; tries++) {
    try {
      side.sync(service)
      return
    } catch (error) {
      if (!isAgentfsError(error, 'store_forked')) throw error
      side.store.fork()
    }
  }
}

describe('what the service has already, and this store does not know of [SY-8]', () => {
  /** A file whose push was carried out, and the answer lost with the store's id. */
  function pushedAndForked(): number {
    const ino = here.put('a', 'one')
    here.send(service)
    here.store.fork()
    return ino
  }

  it('takes nothing more in: what is written after the fork arrives', () => {
    const ino = pushedAndForked()
    here.store.write(ino, 3, Buffer.from(' two'))
    expect(here.text(ino)).toBe('one two')
    sync(here)
    expect(service.contentAt('a')).toBe('one two')
    expect(here.textAt('a', service)).toBe('one two')
  })

  it('is removed where it is removed after the fork, and renamed where it is renamed', () => {
    pushedAndForked()
    here.put('b', 'other')
    here.send(service)
    here.store.fork()
    here.store.unlink(1, 'a')
    here.store.rename(1, 'b', 1, 'c', 'none')
    sync(here)
    expect(['a', 'b', 'c'].map((name) => service.contentAt(name))).toEqual([undefined, undefined, 'other'])
    expect(here.store.list(1).map(({ name }) => name)).toEqual(['c'])
  })
})

describe('a store that was copied [SY-8]', () => {
  it('shares with the copy what waited then, and nothing that either writes afterwards', () => {
    const ino = here.put('log', 'base\n')
    here.put('b', 'other')
    sync(here)
    here.store.write(ino, 0, Buffer.from('once\n'), { append: true })
    here.store.close()
    const folder = mkdtempSync(join(tmpdir(), 'agentfs-sync-'))
    cpSync(here.folder, folder, { recursive: true })
    here = new StoreFixture({ path: here.folder })
    copy = new StoreFixture({ path: folder })
    for (const [side, text] of [
      [here, 'of the first\n'],
      [copy, 'of the copy\n'],
    ] as const) {
      side.store.write(side.store.resolvePath(['log']) ?? 0, 0, Buffer.from(text), { append: true })
    }
    for (const side of [here, copy, here]) sync(side)
    const expected = 'base\nonce\nof the first\nof the copy\n'
    expect(service.contentAt('log')).toBe(expected)
    for (const side of [here, copy]) expect(side.textAt('log', service)).toBe(expected)
  })
})
