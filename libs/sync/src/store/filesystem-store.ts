import type { Name, TimeSpec } from '@agentfs/contracts'
import type {
  AttributeChange,
  Attributes,
  BlockAddress,
  DirectoryEntry,
  FileState,
  Invalidation,
  NewNode,
  ReadOutcome,
  RejectedItem,
  RenameFlags,
  StoreEvent,
  StoreStatus,
} from './store-types.js'

/**
 * What a filesystem core needs of a store. Every method is synchronous and answers from memory and the local disk alone.
 * Every mutation is one local transaction: when it returned it survives kill -9, when it threw nothing of it happened.
 * Names are `Name` strings (contracts/names.ts). Errors are AgentfsError (POSIX refusals) and StoreError; `errnoName`
 * translates both. An inode that is not known is a StoreError `stale`.
 */
export interface FilesystemStore {
  /** The attributes of an inode. */
  attributes(ino: number): Attributes
  /** The inode a name leads to; undefined where there is none. */
  lookup(parentIno: number, name: Name): Attributes | undefined
  /** All names of a directory, without `.` and `..`, in no order that matters but the same while nothing changes. */
  list(ino: number): readonly DirectoryEntry[]
  /** The inode of the parent directory; the root's is the root. */
  parentOf(ino: number): number
  /** The target of a symlink. */
  readlink(ino: number): Name
  /** The value of an extended attribute; undefined where it is not set. */
  getxattr(ino: number, name: string): Uint8Array | undefined
  /** The names of the extended attributes that are set. */
  listxattr(ino: number): readonly string[]
  /** The id of the node behind an inode; it survives saves by rename, the inode number need not. */
  nodeId(ino: number): string
  /** The version the inode shows; null without content. */
  versionOf(ino: number): string | null
  /** How far the newest write of the inode got. */
  fileState(ino: number): FileState
  /** The path by the first name of the inode; undefined where it hangs on no name. */
  pathOf(ino: number): readonly Name[] | undefined
  /** The inode of a path from the root; undefined where there is none. */
  resolvePath(path: readonly Name[]): number | undefined
  /** Names and bytes in use. */
  usage(): { readonly nodes: number; readonly bytes: number }

  /** Counts an open handle: content outlives unlink and is not evicted while it is counted. */
  open(ino: number): void
  /** Ends one `open`; with the last one, what was deferred for it is to be told to the kernel. */
  release(ino: number): readonly Invalidation[]
  /** While an inode is held (locked, or mapped for writing) it shows the version that the kernel holds [SY-17]. */
  hold(ino: number): void
  /** Ends one `hold`; with the last one the deferred invalidations are to be told to the kernel. */
  unhold(ino: number): readonly Invalidation[]
  /** Bytes of a file, as written here or as cached. */
  read(ino: number, offset: number, length: number): ReadOutcome
  /** Asks the engine for blocks that `read` missed; a `provided` or `unavailable` event follows. */
  want(blocks: readonly BlockAddress[]): void

  /** A new empty file or directory. `already_exists` where the name is taken. */
  create(parentIno: number, name: Name, node: NewNode): Attributes
  /** A new symlink. */
  symlink(parentIno: number, name: Name, target: Name, owner: { uid: number; gid: number }): Attributes
  /** One more name for a file. */
  link(ino: number, parentIno: number, name: Name): Attributes
  /** Lays bytes over a file; with `append` at its end, whatever the offset says. Answers where they went. */
  write(
    ino: number,
    offset: number,
    bytes: Uint8Array,
    options?: { readonly append?: boolean },
  ): { offset: number; size: number }
  /** Cuts a file, or grows it with zeros. */
  truncate(ino: number, size: number): Attributes
  /** Makes zeros of a range, for which nothing is kept; the size stays. */
  punchHole(ino: number, offset: number, length: number): void
  /** The next place with data, or without, at or after an offset; undefined where there is none. */
  seek(ino: number, offset: number, what: 'data' | 'hole'): number | undefined
  /** Changes mode, owner or modification time. */
  setAttributes(ino: number, change: AttributeChange): Attributes
  /** renameat2; a save by rename keeps the target's identity [SY-11]. */
  rename(fromParentIno: number, fromName: Name, toParentIno: number, toName: Name, flags: RenameFlags): void
  /** Removes a name of a file or symlink. */
  unlink(parentIno: number, name: Name): void
  /** Removes an empty directory. */
  rmdir(parentIno: number, name: Name): void
  /** Sets an extended attribute; `create` refuses an existing one, `replace` a missing one. */
  setxattr(ino: number, name: string, value: Uint8Array, mode?: 'any' | 'create' | 'replace'): void
  /** Removes an extended attribute; false where it was not set. */
  removexattr(ino: number, name: string): boolean

  /** A barrier in the inode's directory, then `syncToDisk`: nothing journaled before is sent after what comes later. */
  fsync(ino: number): void
  /** Makes all that was journaled survive power loss [DUR-3]. */
  syncToDisk(): void
  /** The number of the newest journal entry of the inode's content or name; 0 where nothing waits. */
  journaledThrough(ino: number): number
  /** The operations the service refused, newest first. */
  rejectedItems(): readonly RejectedItem[]
  /** The kept bytes of a rejected operation; undefined where it had none or is unknown. */
  readRejected(id: number, offset?: number, length?: number): Uint8Array | undefined
  /** Forgets a rejected operation, at its user's word. */
  discardRejected(id: number): void
  /** How much there is and how far it got. */
  status(): StoreStatus
  /** Bytes that the journal still takes, of how many, and a number that grows while content goes up, not while it is tried. */
  journalRoom(): { readonly bytes: number; readonly bytesMax: number; readonly progress: number }
  /** Has the listener called, on this thread, for each event; answers how to stop it. */
  listen(listener: (event: StoreEvent) => void): () => void
  /** The store's clock, for times the caller sets itself. */
  now(): TimeSpec
}
