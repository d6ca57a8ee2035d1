import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { uuidv7, type NodeImage } from '@agentfs/contracts'
import { LocalStore, ROOT_INO } from '@agentfs/sync'
import { MountCore, type MountView } from '../mount/core.js'
import { mountHandlers } from '../mount/handlers.js'

type Handler = (request: object, reply: object) => void

/** A client store of an empty home, with the handlers of a mount over it, called as the kernel would. */
export class MountedStore {
  readonly store: LocalStore
  readonly #folder: string

  constructor(options: { readonly journalBytesMax?: number } = {}) {
    this.#folder = mkdtempSync(join(tmpdir(), 'agentfs-mount-'))
    this.store = LocalStore.open({ path: this.#folder, agent: uuidv7(), ...options })
    const root = imageOf('directory')
    this.store.beginSnapshot(1, 0, root.id)
    const file = { node: imageOf('file'), entries: [{ parent: root.id, name: 'standing' }] }
    this.store.addSnapshotRows([{ node: root, entries: [] }, file])
    this.store.finishSnapshot(0)
  }

  /** The inode of the one file that the service knows. */
  get standing(): number {
    return this.store.resolvePath(['standing']) ?? 0
  }

  /** A mount's core, and its handlers: a call gives what was answered, if anything yet. */
  mount(view: MountView): { core: MountCore; call: (operation: string, request: object) => string[] } {
    const core = new MountCore({
      store: this.store,
      view,
      notify: () => undefined,
      describe: () => ({}),
      lookAfter: () => undefined,
    })
    const handlers = new Map(Object.entries(mountHandlers(core, ROOT_INO)) as [string, Handler][])
    const call = (operation: string, request: object): string[] => {
      const answers: string[] = []
      const answer =
        (kind: string) =>
        (value: unknown): boolean => {
          answers.push(kind === 'error' ? String(value) : kind)
          return true
        }
      const get = (_: object, kind: string): unknown =>
        kind === 'answered' ? answers.length > 0 : answer(kind)
      const common = { unique: 1, uid: 0, gid: 0, pid: 1, nodeid: ROOT_INO }
      handlers.get(operation)?.({ ...common, ...request }, new Proxy({}, { get }))
      return answers
    }
    return { core, call }
  }

  remove(): void {
    this.store.close()
    rmSync(this.#folder, { recursive: true })
  }
}

function imageOf(kind: 'directory' | 'file'): NodeImage {
  const at = '2026-01-01T00:00:00.000Z'
  return {
    id: uuidv7(),
    kind,
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
