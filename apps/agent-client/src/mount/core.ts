import { nameFromBytes, type Name } from '@agentfs/contracts'
import type { FuseAttr, FuseEntry, FuseReply } from '@agentfs/fuse'
import { type Attributes, type FilesystemStore, type Invalidation } from '@agentfs/sync'
import { errnoOf } from './errno.js'
import { HandleTable } from './handles.js'
import { Lifetimes } from './lifetimes.js'
import { Parking } from './parking.js'
import { VirtualFiles } from './virtual-files.js'

/** How a mount presents itself. */
export interface MountView {
  readonly readOnly: boolean
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
  readonly lifetimes = new Lifetimes()
  readonly handles = new HandleTable()
  readonly parking: Parking
  readonly virtual: VirtualFiles
  /** Has the kernel forget, from the notifier's thread; never waits. */
  readonly notify: (invalidations: readonly Invalidation[]) => void

  constructor(options: {
    store: FilesystemStore
    view: MountView
    notify: (invalidations: readonly Invalidation[]) => void
    /** More lines of `.agentfs/status`. */
    describe: () => Record<string, unknown>
  }) {
    this.store = options.store
    this.view = options.view
    this.notify = options.notify
    this.parking = new Parking(options.store)
    this.virtual = new VirtualFiles(options.store, options.describe)
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
    if (this.view.readOnly || this.#frozen) reply.error('EROFS')
    else this.answer(reply, operation)
  }

  /** Takes no more changes: the mount is being left, and what comes now could not be pushed any more [DUR-8]. */
  freeze(): void {
    this.#frozen = true
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
