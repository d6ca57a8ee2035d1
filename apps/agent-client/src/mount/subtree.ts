import { FUSE_ROOT_ID, type FuseHandlers } from '@agentfs/fuse'
import type { Invalidation } from '@agentfs/sync'

/** The root of every store. */
const STORE_ROOT = 1

/**
 * A mount of a folder of the home (`--path`): the kernel's root node stands for the folder's inode. Everything else keeps its
 * number, so only what names the root is translated, here and nowhere else.
 */
export class Subtree {
  readonly rootIno: number

  constructor(rootIno: number) {
    this.rootIno = rootIno
  }

  /** The store's inode of a kernel's node. */
  inoOf(nodeid: number): number {
    return nodeid === FUSE_ROOT_ID ? this.rootIno : nodeid
  }

  /** The kernel's node of an inode. */
  nodeidOf(ino: number): number {
    return ino === this.rootIno ? FUSE_ROOT_ID : ino
  }

  /** Handlers that see the store's inodes. */
  translate(handlers: FuseHandlers): FuseHandlers {
    if (this.rootIno === STORE_ROOT) return handlers
    const translated = Object.entries(handlers).map(([operation, handler]) => [
      operation,
      (request: Record<string, unknown>, reply: unknown) => {
        for (const field of ['nodeid', 'newParent', 'oldNodeid']) {
          const value = request[field]
          if (typeof value === 'number') request[field] = this.inoOf(value)
        }
        // Every handler takes a request and a reply; which ones, the operation's name says.
        ;(handler as (request: unknown, reply: unknown) => void)(request, reply)
      },
    ])
    return Object.fromEntries(translated) as FuseHandlers
  }

  /** What the kernel must forget, in its own numbers. */
  invalidations(invalidations: readonly Invalidation[]): readonly Invalidation[] {
    if (this.rootIno === STORE_ROOT) return invalidations
    return invalidations.map((it) =>
      it.kind === 'entry'
        ? { ...it, parentIno: this.nodeidOf(it.parentIno) }
        : { ...it, ino: this.nodeidOf(it.ino) },
    )
  }
}
