import { nameFromBytes, type Name } from '@agentfs/contracts'
import type { FuseAttr, FuseEntry, FuseReply } from '@agentfs/fuse'
import { type Attributes, type FilesystemStore, type Invalidation } from '@agentfs/sync'
import { BackPressure } from './back-pressure.js'
import { errnoOf } from './errno.js'
import { HandleTable } from './handles.js'
import { Lifetimes } from './lifetimes.js'
import { Parking } from './parking.js'
import { VirtualFiles } from './virtual-files.js'

/** How a mount presents itself. */
export interface MountView {
  readonly readOnly: boolean
  /** False where the credential is known to allow reading only: changes fail at once, not at the service [DUR-5]. */
  readonly mayWrite: boolean
  /** `close` and `fsync` wait for the service [DUR-3]. */
  readonly waitForService: boolean
  /** Everything is shown as owned by this user; null shows the stored owners [FS-7]. */
  readonly owner: { readonly uid: number; readonly gid: number } | null
}

const TYPE_BITS = { file: 0o100000, directory: 0o040000, symlink: 0o120000 } as const

/** What all operations of one mount share. Lives on the filesystem thread. */
export class MountCore {
  readonly store: FilesystemStore
  readonly view: MountView
  #frozen = false
  #closed: boolean
  readonly lifetimes = new Lifetimes()
  readonly handles = new HandleTable()
  readonly parking: Parking
  readonly backPressure: BackPressure
  readonly virtual: VirtualFiles
  /** Has the kernel forget, from the notifier's thread; never waits. */
  readonly notify: (invalidations: readonly Invalidation[]) => void

  constructor(options: {
    store: FilesystemStore
    view: MountView
    notify: (invalidations: readonly Invalidation[]) => void
    /** More lines of `.agentfs/status`. */
    describe: () => Record<string, unknown>
    /** Has `backPressure.look` called after so many milliseconds. */
    lookAfter: (ms: number) => void
  }) {
    this.store = options.store
    this.view = options.view
    this.notify = options.notify
    this.parking = new Parking(options.store)
    this.backPressure = new BackPressure(options.store, options.lookAfter)
    this.#closed = options.store.status().revoked
    options.store.listen(({ kind }) => {
      if (kind === 'revoked') this.#closed = true
      else if (kind === 'reinstated') this.#closed = false
    })
    this.virtual = new VirtualFiles(options.store, options.describe)
  }

  /** True while the service refuses the credential: everything outside `.agentfs/` is closed [SY-1]. */
  get closed(): boolean {
    return this.#closed
  }

  /** Runs an operation; what it throws becomes the errno that a local filesystem would give [FS-3]. */
  answer(reply: FuseReply, operation: () => void): void {
    try {
      operation()
    } catch (error) {
      reply.error(errnoOf(error))
    }
  }

  /** The same for operations that change something. */
  change(reply: FuseReply, operation: () => void): void {
    const refusal = this.changeRefusal
    if (refusal === undefined) this.answer(reply, operation)
    else reply.error(refusal)
  }

  /** Why nothing can be changed now; undefined where it can. */
  get changeRefusal(): 'EROFS' | 'EACCES' | undefined {
    if (this.view.readOnly || this.#frozen) return 'EROFS'
    return this.view.mayWrite ? undefined : 'EACCES'
  }

  /** Takes no more changes: the mount is being left, and what comes now could not be pushed any more [DUR-8]. */
  freeze(): void {
    this.#frozen = true
    this.backPressure.freeze()
  }

  /** Attributes as the kernel takes them. */
  attr(attributes: Attributes): FuseAttr {
    const { owner } = this.view
    const [mtimeSec, mtimeNsec] = attributes.mtime
    return {
      ino: attributes.ino,
      size: attributes.size,
      blocks: Math.ceil(attributes.size / 512),
      atimeSec: mtimeSec,
      atimeNsec: mtimeNsec,
      mtimeSec,
      mtimeNsec,
      ctimeSec: attributes.ctime[0],
      ctimeNsec: attributes.ctime[1],
      mode: TYPE_BITS[attributes.kind] | attributes.mode,
      nlink: attributes.links,
      uid: owner === null ? attributes.uid : owner.uid,
      gid: owner === null ? attributes.gid : owner.gid,
      rdev: 0,
      blksize: 4096,
    }
  }

  /** A name's answer; inode numbers are never reused, so the node id is the inode and the generation 0. */
  entry(attributes: Attributes): FuseEntry {
    const validMs = this.lifetimes.validMs
    return {
      nodeid: attributes.ino,
      generation: 0,
      attr: this.attr(attributes),
      entryValidMs: validMs,
      attrValidMs: validMs,
    }
  }
}

/** The name of raw bytes as they come from the kernel. */
export function nameOf(bytes: Uint8Array): Name {
  return nameFromBytes(bytes)
}
