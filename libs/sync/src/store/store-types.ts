import type { Name, NodeKind, TimeSpec } from '@agentfs/contracts'

/** What stat shows of an inode. `ino` is a number of this store, never reused, stable over restarts; the root is 1. */
export interface Attributes {
  readonly ino: number
  readonly kind: NodeKind
  /** Permission bits without the file type. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtime: TimeSpec
  readonly ctime: TimeSpec
  readonly size: number
  /** As stat shows it: 2 and the subdirectories for a directory, 0 for what is unlinked. */
  readonly links: number
}

/** A name in a directory. */
export interface DirectoryEntry {
  readonly name: Name
  readonly ino: number
  readonly kind: NodeKind
}

/** A block of a version that the service has and this store has not; blocks are 1 MiB. */
export interface BlockAddress {
  readonly node: string
  readonly version: string
  readonly block: number
}

/** Bytes that nobody else has (fewer only at the end of the file), or what must come from the service first. */
export type ReadOutcome =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'missing'; readonly blocks: readonly BlockAddress[] }

/**
 * What the kernel must forget after a remote change [SY-17]. `content` drops pages (and the listing, for a directory)
 * together with attributes, `attributes` only those, `entry` a name, positive or negative.
 */
export type Invalidation =
  | { readonly kind: 'content' | 'attributes'; readonly ino: number }
  | { readonly kind: 'entry'; readonly parentIno: number; readonly name: Name }

/** The three states of a write (SEMANTICS, Durability). */
export type FileState = 'journaled' | 'acknowledged' | 'stored'

/** What may be given to a new node; the time is the store's clock. */
export interface NewNode {
  readonly kind: 'file' | 'directory'
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** O_EXCL: also refused by the service where the name exists there by then. */
  readonly exclusive?: boolean
}

/** Attributes to change. */
export interface AttributeChange {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly mtime?: TimeSpec
}

/** renameat2's flags that exist here. */
export type RenameFlags = 'none' | 'noreplace' | 'exchange'

/** How much there is and how far it got. */
export interface StoreStatus {
  readonly agent: string
  readonly store: string
  readonly epoch: number
  readonly seq: number
  /** The service's cursor of what is in the object store, as last heard. */
  readonly stored: number
  readonly journal: { readonly entries: number; readonly bytes: number; readonly oldestAtMs: number | null }
  readonly pushInFlight: number | null
  readonly rejected: number
  /** Conflict copies in the tree as the mount shows it [CON-3]. */
  readonly conflicts: number
  readonly nodes: number
  readonly cacheBytes: number
  readonly revoked: boolean
}

/** An operation that the service refused, or that depended on one, kept with its bytes [DUR-5]. */
export interface RejectedItem {
  readonly id: number
  readonly op: string
  readonly node: string
  /** The path that the user saw, as well as it is known. */
  readonly path: string
  readonly code: string
  readonly message: string
  readonly atMs: number
  /** Bytes of content kept; 0 where the operation had none. */
  readonly size: number
}

/** Tells the thread that owns the store what happened; called synchronously, after the fact. */
export type StoreEvent =
  /** Something was journaled and nobody told the engine yet. */
  | { readonly kind: 'journaled' }
  /** A read waits for these blocks. */
  | { readonly kind: 'wanted'; readonly blocks: readonly BlockAddress[] }
  /** Blocks came: parked reads may be tried again. */
  | { readonly kind: 'provided'; readonly blocks: readonly BlockAddress[] }
  /** Blocks will not come: parked reads fail with the error. */
  | { readonly kind: 'unavailable'; readonly blocks: readonly BlockAddress[]; readonly error: Error }
  /** Journal entries up to `through` have their answer; for `--durability=server`. */
  | { readonly kind: 'settled'; readonly through: number; readonly rejected: readonly RejectedItem[] }
  /** The credential was refused [SY-1]. */
  | { readonly kind: 'revoked' }
  /** The credential holds again, or another one does. */
  | { readonly kind: 'reinstated' }
