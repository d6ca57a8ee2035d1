import { ROOT_INO, type LocalStore } from '@agentfs/sync'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { MountedStore } from '../testing/mounted-store.js'
import type { MountView } from './core.js'

let here: MountedStore
let store: LocalStore

const VIEW: MountView = { readOnly: false, mayWrite: true, waitForService: true, owner: null }

beforeEach(() => {
  here = new MountedStore()
  store = here.store
})

afterEach(() => here.remove())

const name = (text: string): { name: Buffer } => ({ name: Buffer.from(text) })

describe('[SY-1] while the credential is refused', () => {
  it('everything outside .agentfs/ is EACCES, what waited is answered, and another key opens it again', () => {
    const { core, call } = here.mount(VIEW)
    const { ino } = store.create(ROOT_INO, 'a', { kind: 'file', mode: 0o644, uid: 0, gid: 0 })
    store.write(ino, 0, Buffer.from('journaled'))
    expect(call('lookup', name('a'))).toEqual(['entry'])
    const waiting: string[] = []
    const reply = { answered: false, error: (errno: string) => waiting.push(errno) }
    core.parking.parkClose(store.journaledThrough(ino), store.nodeId(ino), reply as never, () => undefined)

    store.revoke()
    expect(waiting).toEqual(['EACCES'])
    expect(call('lookup', name('a'))).toEqual(['EACCES'])
    expect(call('opendir', { flags: 0 })).toEqual(['EACCES'])
    expect(call('getattr', { nodeid: ino })).toEqual(['EACCES'])
    expect(call('open', { nodeid: ino, flags: 0 })).toEqual(['EACCES'])
    expect(call('read', { nodeid: ino, fh: 1, offset: 0, size: 10 })).toEqual(['EACCES'])
    expect(call('unlink', name('a'))).toEqual(['EACCES'])
    expect(call('getattr', {})).toEqual(['attr'])
    expect(call('lookup', name('.agentfs'))).toEqual(['entry'])
    expect(call('statfs', {})).toEqual(['statfs'])

    store.reinstate()
    expect(call('lookup', name('a'))).toEqual(['entry'])
  })

  it('a mount that starts so is closed from the beginning', () => {
    store.revoke()
    expect(here.mount(VIEW).call('opendir', { flags: 0 })).toEqual(['EACCES'])
  })
})

describe('[DUR-5] what can be foreseen fails by itself', () => {
  it.each([
    ['EROFS', { ...VIEW, readOnly: true }],
    ['EACCES', { ...VIEW, mayWrite: false }],
  ])('%s: nothing is journaled', (errno, view) => {
    const { call } = here.mount(view)
    expect(call('mkdir', { ...name('d'), mode: 0o755 })).toEqual([errno])
    expect(call('create', { ...name('f'), mode: 0o644, flags: 1 })).toEqual([errno])
    expect(call('open', { flags: 1 })).toEqual([errno])
    expect(store.status().journal.entries).toBe(0)
  })
})
