/** The node that is the root of every mount. */
export const FUSE_ROOT_ID = 1

/** Do not use the page cache for this open file. */
export const FOPEN_DIRECT_IO = 1 << 0
/** Keep the pages cached for this node from earlier opens. */
export const FOPEN_KEEP_CACHE = 1 << 1
export const FOPEN_NONSEEKABLE = 1 << 2
/** Let the kernel cache the listing of this directory. */
export const FOPEN_CACHE_DIR = 1 << 3
export const FOPEN_STREAM = 1 << 4
/** Send no FLUSH when a descriptor is closed. */
export const FOPEN_NOFLUSH = 1 << 5
/** With DIRECT_IO: several writes to one node may run at once. */
export const FOPEN_PARALLEL_DIRECT_WRITES = 1 << 6

/** Valid bits of SETATTR (`FATTR_*`). */
export const FATTR = {
  mode: 1 << 0,
  uid: 1 << 1,
  gid: 1 << 2,
  size: 1 << 3,
  atime: 1 << 4,
  mtime: 1 << 5,
  fh: 1 << 6,
  atimeNow: 1 << 7,
  mtimeNow: 1 << 8,
  ctime: 1 << 10,
  killSuidgid: 1 << 11,
} as const

/**
 * INIT flags by bit number: 0-31 travel in `flags`, 32-63 in `flags2`.
 * Names and values are the kernel's (`include/uapi/linux/fuse.h`, `FUSE_<name>`).
 */
export const INIT_BIT = {
  ASYNC_READ: 0,
  POSIX_LOCKS: 1,
  ATOMIC_O_TRUNC: 3,
  EXPORT_SUPPORT: 4,
  BIG_WRITES: 5,
  DONT_MASK: 6,
  SPLICE_WRITE: 7,
  SPLICE_MOVE: 8,
  SPLICE_READ: 9,
  FLOCK_LOCKS: 10,
  HAS_IOCTL_DIR: 11,
  AUTO_INVAL_DATA: 12,
  DO_READDIRPLUS: 13,
  READDIRPLUS_AUTO: 14,
  ASYNC_DIO: 15,
  WRITEBACK_CACHE: 16,
  NO_OPEN_SUPPORT: 17,
  PARALLEL_DIROPS: 18,
  HANDLE_KILLPRIV: 19,
  POSIX_ACL: 20,
  ABORT_ERROR: 21,
  MAX_PAGES: 22,
  CACHE_SYMLINKS: 23,
  NO_OPENDIR_SUPPORT: 24,
  EXPLICIT_INVAL_DATA: 25,
  HANDLE_KILLPRIV_V2: 28,
  SETXATTR_EXT: 29,
  INIT_EXT: 30,
  HAS_EXPIRE_ONLY: 35,
  DIRECT_IO_ALLOW_MMAP: 36,
} as const

/** Name of an INIT flag. */
export type InitFlag = keyof typeof INIT_BIT

/** Whether a flag is set in a pair of INIT flag words. */
export function hasInitFlag(words: { flags: number; flags2: number }, flag: InitFlag): boolean {
  const bit = INIT_BIT[flag]
  return bit < 32 ? (words.flags & (1 << bit)) !== 0 : (words.flags2 & (1 << (bit - 32))) !== 0
}
