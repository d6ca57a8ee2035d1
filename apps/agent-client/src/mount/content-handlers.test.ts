import { ROOT_INO } from '@agentfs/sync'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { MountedStore } from '../testing/mounted-store.js'

const O_RDWR = 0o2
const O_TRUNC = 0o1000

const VIEW = { readOnly: false, mayWrite: true, waitForService: false, owner: null }
const LIMITS = { operationsMax: 100, bytesMax: 1_000_000 }

let here: MountedStore
let call: (operation: string, request: object) => string[]

beforeEach(() => {
  here = new MountedStore()
  ;({ call } = here.mount(VIEW))
})

afterEach(() => here.remove())

describe('set-id bits [FS-1]', () => {
  it.each([
    ['open', { flags: O_RDWR | O_TRUNC }],
    ['create', { flags: O_RDWR | O_TRUNC, name: Buffer.from('standing'), mode: 0o644 }],
  ])('go with the content, where the kernel says so: %s', (operation, request) => {
    const ino = here.standing
    here.store.setAttributes(ino, { mode: 0o6755 })
    const nodeid = operation === 'open' ? { nodeid: ino } : {}
    call(operation, { ...nodeid, ...request, killSuidgid: false })
    expect(here.store.attributes(ino).mode).toBe(0o6755)
    call(operation, { ...nodeid, ...request, killSuidgid: true })
    expect(here.store.attributes(ino).mode).toBe(0o755)
  })
})

describe('a write that clears them', () => {
  it('fails before it wrote anything, where the journal has no room for both', () => {
    const small = new MountedStore({ journalBytesMax: 4_000 })
    try {
      const { call: ask } = small.mount(VIEW)
      const ino = small.standing
      small.store.setAttributes(ino, { mode: 0o6755 })
      const data = Buffer.alloc(small.store.journalRoom().bytes - 300)
      const request = { nodeid: ino, fh: 0, offset: 0, data, fromPageCache: false, killSuidgid: true }
      expect(ask('write', request)).toEqual(['ENOSPC'])
      expect(small.store.attributes(ino).size).toBe(0)
    } finally {
      small.remove()
    }
  })
})

describe('fsync of a directory', () => {
  const rename = (from: string, to: string): void => here.store.rename(ROOT_INO, from, ROOT_INO, to, 'none')

  it('[SY-14] is a barrier: what came before it is not folded into what comes after', () => {
    rename('standing', 'moved')
    expect(call('fsyncdir', {})).toEqual(['ok'])
    rename('moved', 'moved again')
    here.store.freezePush(LIMITS)
    expect(here.store.status().journal.entries).toBe(2)
  })

  it('[DUR-3] with --durability=server waits for the service, as that of a file does', () => {
    const waiting = here.mount({ ...VIEW, waitForService: true })
    expect(waiting.call('fsyncdir', {})).toEqual(['ok'])
    rename('standing', 'moved')
    const answers = waiting.call('fsyncdir', {})
    expect(answers).toEqual([])
    here.store.freezePush(LIMITS)
    here.store.rejectPush('quota_exceeded', 'no room')
    expect(answers).toHaveLength(1)
  })
})

describe('close with --durability=server', () => {
  it('[FS-4] is answered where all that it waits for was taken back, so that nothing is to be pushed', () => {
    const { call: ask } = here.mount({ ...VIEW, waitForService: true })
    const { ino } = here.store.create(ROOT_INO, 'lock', { kind: 'file', mode: 0o644, uid: 0, gid: 0 })
    ask('open', { nodeid: ino, flags: O_RDWR, killSuidgid: false })
    // The first handle of a mount.
    const fh = 1
    ask('write', {
      nodeid: ino,
      fh,
      offset: 0,
      data: Buffer.from('mine'),
      fromPageCache: false,
      killSuidgid: false,
    })
    const answers = ask('flush', { nodeid: ino, fh })
    expect(answers).toEqual([])
    here.store.unlink(ROOT_INO, 'lock')
    expect(here.store.freezePush(LIMITS)).toBeNull()
    expect(answers).toEqual(['ok'])
  })
})
