import type { FuseAttr, FuseEntry, FuseStatfs, FuseTime } from './attributes.js'
import type { ErrnoName } from './errno.js'

/**
 * The answer to one request. Exactly one answering method takes effect; each returns false, and does
 * nothing, where the request was answered before (by an interrupt, say).
 *
 * A handler may return without answering and keep the reply: the caller then waits until the reply is
 * used, from the thread that runs the session.
 */
export interface FuseReply {
  error(name: ErrnoName): boolean
  /**
   * Called when the caller was interrupted while the reply is outstanding. Without a callback the session
   * answers `EINTR`. With one, nothing is answered until the callback, or somebody later, does so.
   */
  onInterrupt(callback: () => void): void
  /** True from the moment an answer was given. */
  readonly answered: boolean
}

export interface EmptyReply extends FuseReply {
  ok(): boolean
}

export interface EntryReply extends FuseReply {
  entry(entry: FuseEntry): boolean
}

export interface LookupReply extends EntryReply {
  /** The name does not exist, and the kernel may believe so for a time. `error('ENOENT')` is not cached. */
  negativeEntry(entryValidMs: number): boolean
}

export interface AttrReply extends FuseReply {
  attr(attr: FuseAttr, attrValidMs: number): boolean
}

export interface StatxReply extends FuseReply {
  statx(attr: FuseAttr, attrValidMs: number, btime: FuseTime | undefined): boolean
}

export interface OpenReply extends FuseReply {
  /** `openFlags`: `FOPEN_*` or-ed together. */
  opened(fh: number, openFlags: number): boolean
}

export interface CreateReply extends FuseReply {
  created(entry: FuseEntry, fh: number, openFlags: number): boolean
}

export interface DataReply extends FuseReply {
  /** At most the bytes asked for; fewer means end of file. */
  data(bytes: Uint8Array): boolean
  /**
   * Answer with bytes written straight into the reply buffer, without a copy: `write` gets room for
   * exactly the size asked for and returns how many bytes it filled. The room is not zeroed.
   */
  fill(write: (room: Buffer) => number): boolean
}

export interface ReadlinkReply extends FuseReply {
  target(bytes: Uint8Array): boolean
}

export interface WriteReply extends FuseReply {
  written(size: number): boolean
}

export interface StatfsReply extends FuseReply {
  statfs(statfs: FuseStatfs): boolean
}

export interface XattrReply extends FuseReply {
  /** The value, or the NUL-separated list of names; answers a length query and `ERANGE` by itself. */
  xattr(value: Uint8Array): boolean
}

export interface LseekReply extends FuseReply {
  offset(offset: number): boolean
}

export interface CopyReply extends FuseReply {
  copied(size: number): boolean
}

/**
 * Packs directory entries. `add` returns false when the entry no longer fits: then stop and call `sent`.
 * `nextOffset` is what the kernel passes back to continue after this entry; never 0.
 * Entries are packed into the session's reply buffer: add and send within one go, without other answers between.
 */
export interface DirectoryReply extends FuseReply {
  /** `type` is `mode >> 12`, as `d_type`. */
  add(name: Uint8Array | string, ino: number, type: number, nextOffset: number): boolean
  send(): boolean
}

export interface DirectoryPlusReply extends FuseReply {
  /**
   * With attributes. Each entry that fitted counts as one lookup of its nodeid, but for `.` and `..`.
   * An entry of nodeid 0 names without looking up.
   */
  addEntry(name: Uint8Array | string, entry: FuseEntry, nextOffset: number): boolean
  /** A name without attributes: the kernel looks it up when it needs to. */
  add(name: Uint8Array | string, ino: number, type: number, nextOffset: number): boolean
  send(): boolean
}
