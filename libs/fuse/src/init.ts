import type { InitRequest } from './decode-control.js'
import { INIT_BIT, type InitFlag } from './flags.js'
import type { FuseConnection } from './handlers.js'
import type { ReplyBuffer } from './reply-buffer.js'

/** The oldest kernel protocol spoken (Linux 5.4) and the newest one known. */
export const MINOR_MIN = 31
export const MINOR_MAX = 45

/** Bytes of `struct fuse_init_out`. */
export const INIT_OUT_BYTES = 64

const PAGE_BYTES = 4096

/** What a session asks of the kernel; whatever the kernel lacks is left out silently. */
export interface FuseSessionLimits {
  /** Largest WRITE and READ; a multiple of the page size, at most 1 MiB without raising kernel limits. */
  writeBytesMax: number
  /** Upper bound of read-ahead; the kernel starts at 128 KiB and may be raised per mount in sysfs. */
  readaheadBytesMax: number
  /** Asynchronous requests (read-ahead, direct I/O) the kernel may have in flight. */
  backgroundMax: number
  flags: readonly InitFlag[]
}

/**
 * Every flag wanted by default. AUTO_INVAL_DATA stays off because it beats EXPLICIT_INVAL_DATA;
 * READDIRPLUS_AUTO because plain READDIR costs a LOOKUP per entry; POSIX_LOCKS and FLOCK_LOCKS because the
 * kernel's own locks are right within one mount; EXPORT_SUPPORT and POSIX_ACL because nothing serves them.
 */
export const DEFAULT_INIT_FLAGS: readonly InitFlag[] = [
  'ASYNC_READ',
  'ATOMIC_O_TRUNC',
  'BIG_WRITES',
  'DO_READDIRPLUS',
  'ASYNC_DIO',
  'PARALLEL_DIROPS',
  'ABORT_ERROR',
  'MAX_PAGES',
  'CACHE_SYMLINKS',
  'NO_OPENDIR_SUPPORT',
  'EXPLICIT_INVAL_DATA',
  'HANDLE_KILLPRIV_V2',
  'SETXATTR_EXT',
  'INIT_EXT',
  'HAS_EXPIRE_ONLY',
]

/** Agrees with the kernel, or undefined where it is older than 7.31. */
export function negotiate(request: InitRequest, limits: FuseSessionLimits): FuseConnection | undefined {
  if (request.major !== 7 || request.minor < MINOR_MIN) return undefined
  let flags = 0
  let flags2 = 0
  for (const flag of limits.flags) {
    const bit = INIT_BIT[flag]
    if (bit < 32) flags |= 1 << bit
    else flags2 |= 1 << (bit - 32)
  }
  flags &= request.flags
  // Without the version that leaves privileged callers alone, fall back to the one that always clears.
  const killprivV2 = 1 << INIT_BIT.HANDLE_KILLPRIV_V2
  if (limits.flags.includes('HANDLE_KILLPRIV_V2') && (flags & killprivV2) === 0) {
    flags |= request.flags & (1 << INIT_BIT.HANDLE_KILLPRIV)
  }
  const extended = (flags & (1 << INIT_BIT.INIT_EXT)) !== 0
  return {
    minor: Math.min(request.minor, MINOR_MAX),
    flags,
    flags2: extended ? flags2 & request.flags2 : 0,
    writeBytesMax: limits.writeBytesMax,
    readaheadBytesMax: Math.min(request.readaheadBytesMax, limits.readaheadBytesMax),
  }
}

/**
 * `major u32, minor u32, max_readahead u32, flags u32, max_background u16, congestion_threshold u16,
 * max_write u32, time_gran u32, max_pages u16, map_alignment u16, flags2 u32, unused u32[7]`
 */
export function putInit(out: ReplyBuffer, connection: FuseConnection, limits: FuseSessionLimits): void {
  out.zero(0, INIT_OUT_BYTES)
  out.u32(0, 7)
  out.u32(4, connection.minor)
  out.u32(8, connection.readaheadBytesMax)
  out.u32(12, connection.flags)
  out.u16(16, limits.backgroundMax)
  out.u16(18, Math.floor((limits.backgroundMax * 3) / 4))
  out.u32(20, connection.writeBytesMax)
  out.u32(24, 1)
  out.u16(28, connection.writeBytesMax / PAGE_BYTES)
  out.u32(32, connection.flags2)
}
