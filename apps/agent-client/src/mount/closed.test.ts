import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { uuidv7, type NodeImage } from '@agentfs/contracts'
import { LocalStore, ROOT_INO } from '@agentfs/sync'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { MountCore, type MountView } from './core.js'
import { mountHandlers } from './handlers.js'

let folder: string
let store: LocalStore

const VIEW: MountView = { readOnly: false, mayWrite: true, waitForService: true, owner: null }

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentfs-mount-'))
  store = LocalStore.open({ path: folder, agent: uuidv7() })
  const root = rootImage(uuidv7())
  store.beginSnapshot(1, 0, root.id)
  store.addSnapshotRows([{ node: root, entries: [] }])
  store.finishSnapshot(0)
})

afterEach(() => {
  store.close()
  rmSync(folder, { recursive: true })
})

function rootImage(id: string): NodeImage {
  const at = '2026-01-01T00:00:00.000Z'
  return {
    id,
    kind: 'directory',
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtime: [1_767_225_600, 0],
    ctime: [1_767_225_600, 0],
    size: 0,
    version: null,
    number: 0,
    links: 1,
    createdAt: at,
    modifiedAt: at,
    modifiedBy: 'service',
    seq: 0,
  }
}

type Handler = (request: object, reply: object) => void

/** Calls a mount's handlers as the kernel would; a call gives what was answered, if anything yet. */
function mounted(view: MountView): {
  core: MountCore
  call: (operation: string, request: object) => string[]
} {
  const core = new MountCore({
    store,
    view,
    notify: () => undefined,
    describe: () => ({}),
    lookAfter: () => undefined,
  })
  const handlers = new Map(Object.entries(mountHandlers(core, ROOT_INO)) as [string, Handler][])
  const call = (operation: string, request: object): string[] => {
    const answers: string[] = []
    const reply = new Proxy(
      {},
      {
        get: (_, kind) => (value: unknown) => {
          answers.push(kind === 'error' ? String(value) : String(kind))
          return true
        },
      },
    )
    handlers.get(operation)?.({ unique: 1, uid: 0, gid: 0, pid: 1, nodeid: ROOT_INO, ...request }, reply)
    return answers
  }
  return { core, call }
}

const name = (text: string): { name: Buffer } => ({ name: Buffer.from(text) })

describe('[SY-1] while the credential is refused', () => {
  it('everything outside .agentfs/ is EACCES, what waited is answered, and another key opens it again', () => {
    const { core, call } = mounted(VIEW)
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
    expect(mounted(VIEW).call('opendir', { flags: 0 })).toEqual(['EACCES'])
  })
})

describe('[DUR-5] what can be foreseen fails by itself', () => {
  it.each([
    ['EROFS', { ...VIEW, readOnly: true }],
    ['EACCES', { ...VIEW, mayWrite: false }],
  ])('%s: nothing is journaled', (errno, view) => {
    const { call } = mounted(view)
    expect(call('mkdir', { ...name('d'), mode: 0o755 })).toEqual([errno])
    expect(call('create', { ...name('f'), mode: 0o644, flags: 1 })).toEqual([errno])
    expect(call('open', { flags: 1 })).toEqual([errno])
    expect(store.status().journal.entries).toBe(0)
  })
})
