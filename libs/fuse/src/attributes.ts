/**
 * Attributes of a node as the kernel takes them (`struct fuse_attr`). Flat numbers rather than dates or
 * bigints: this is built for every stat and every directory entry.
 */
export interface FuseAttr {
  /** What `stat` shows as `st_ino`; at most 2^53 - 1. */
  ino: number
  /** Bytes. */
  size: number
  /** Units of 512 bytes, as `st_blocks`. */
  blocks: number
  /** Seconds since 1970, may be negative; nanoseconds 0 … 999,999,999. */
  atimeSec: number
  atimeNsec: number
  mtimeSec: number
  mtimeNsec: number
  ctimeSec: number
  ctimeNsec: number
  /** Type and permission bits, as `st_mode`. */
  mode: number
  nlink: number
  uid: number
  gid: number
  /** Kernel encoding of the device number, for device nodes. */
  rdev: number
  /** Preferred I/O size, as `st_blksize`; 0 lets the kernel choose. */
  blksize: number
}

/** A name's answer: which node it is, its attributes, and how long the kernel may believe both. */
export interface FuseEntry {
  /** The filesystem's handle for the node; the kernel holds one lookup count more after each entry answered. */
  nodeid: number
  /** Distinguishes nodes that reuse one nodeid; 0 where nodeids are never reused. */
  generation: number
  attr: FuseAttr
  /** How long the name may be cached; 0 asks every time, `Infinity` until told to forget. */
  entryValidMs: number
  /** How long the attributes may be cached. */
  attrValidMs: number
}

/** A point in time: seconds since 1970 (may be negative) and nanoseconds. */
export interface FuseTime {
  sec: number
  nsec: number
}

/** What `statfs` answers; blocks are counted in units of `frsize`. */
export interface FuseStatfs {
  blocks: number
  bfree: number
  bavail: number
  files: number
  ffree: number
  /** Preferred I/O size. */
  bsize: number
  /** Longest name, in bytes. */
  namelen: number
  /** Unit of the block counts, in bytes. */
  frsize: number
}
