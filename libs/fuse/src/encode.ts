import type { FuseAttr, FuseEntry, FuseStatfs, FuseTime } from './attributes.js'
import type { ReplyBuffer } from './reply-buffer.js'

/** Sizes of the structures below, in bytes. */
const ATTR_BYTES = 88
export const ENTRY_OUT_BYTES = 40 + ATTR_BYTES
export const ATTR_OUT_BYTES = 16 + ATTR_BYTES
export const OPEN_OUT_BYTES = 16
export const STATFS_OUT_BYTES = 80
export const STATX_OUT_BYTES = 32 + 256

/** The kernel counts in jiffies and caps by itself; this is for ever to it, and fits every conversion. */
const VALID_SEC_MAX = 0x7fff_ffff

/** `sec` and `nsec` of a lifetime given in milliseconds. */
function putValidity(out: ReplyBuffer, secAt: number, nsecAt: number, validMs: number): void {
  const sec = Math.min(VALID_SEC_MAX, Math.floor(validMs / 1000))
  out.u64(secAt, sec)
  out.u32(nsecAt, sec === VALID_SEC_MAX ? 0 : Math.floor((validMs % 1000) * 1e6))
}

/**
 * `struct fuse_attr`: `ino u64, size u64, blocks u64, atime u64, mtime u64, ctime u64, atimensec u32,
 * mtimensec u32, ctimensec u32, mode u32, nlink u32, uid u32, gid u32, rdev u32, blksize u32, flags u32`
 */
function putAttr(out: ReplyBuffer, at: number, attr: FuseAttr): void {
  out.u64(at, attr.ino)
  out.u64(at + 8, attr.size)
  out.u64(at + 16, attr.blocks)
  out.u64(at + 24, attr.atimeSec)
  out.u64(at + 32, attr.mtimeSec)
  out.u64(at + 40, attr.ctimeSec)
  out.u32(at + 48, attr.atimeNsec)
  out.u32(at + 52, attr.mtimeNsec)
  out.u32(at + 56, attr.ctimeNsec)
  out.u32(at + 60, attr.mode)
  out.u32(at + 64, attr.nlink)
  out.u32(at + 68, attr.uid)
  out.u32(at + 72, attr.gid)
  out.u32(at + 76, attr.rdev)
  out.u32(at + 80, attr.blksize)
  out.u32(at + 84, 0)
}

/** `nodeid u64, generation u64, entry_valid u64, attr_valid u64, entry_valid_nsec u32, attr_valid_nsec u32, attr` */
export function putEntry(out: ReplyBuffer, at: number, entry: FuseEntry): void {
  out.u64(at, entry.nodeid)
  out.u64(at + 8, entry.generation)
  putValidity(out, at + 16, at + 32, entry.entryValidMs)
  putValidity(out, at + 24, at + 36, entry.attrValidMs)
  putAttr(out, at + 40, entry.attr)
}

/** An entry of nodeid 0: the name does not exist, for `entryValidMs`. */
export function putNegativeEntry(out: ReplyBuffer, entryValidMs: number): void {
  out.zero(0, ENTRY_OUT_BYTES)
  putValidity(out, 16, 32, entryValidMs)
}

/** `attr_valid u64, attr_valid_nsec u32, dummy u32, attr` */
export function putAttrOut(out: ReplyBuffer, attr: FuseAttr, attrValidMs: number): void {
  putValidity(out, 0, 8, attrValidMs)
  out.u32(12, 0)
  putAttr(out, 16, attr)
}

/** `fh u64, open_flags u32, backing_id i32` */
export function putOpen(out: ReplyBuffer, at: number, fh: number, openFlags: number): void {
  out.u64(at, fh)
  out.u32(at + 8, openFlags)
  out.u32(at + 12, 0)
}

/** `blocks u64, bfree u64, bavail u64, files u64, ffree u64, bsize u32, namelen u32, frsize u32, padding u32, spare u32[6]` */
export function putStatfs(out: ReplyBuffer, statfs: FuseStatfs): void {
  out.u64(0, statfs.blocks)
  out.u64(8, statfs.bfree)
  out.u64(16, statfs.bavail)
  out.u64(24, statfs.files)
  out.u64(32, statfs.ffree)
  out.u32(40, statfs.bsize)
  out.u32(44, statfs.namelen)
  out.u32(48, statfs.frsize)
  out.zero(52, STATFS_OUT_BYTES)
}

const STATX_BASIC_STATS = 0x7ff
const STATX_BTIME = 0x800

/**
 * `attr_valid u64, attr_valid_nsec u32, flags u32, spare u64[2]`, then `struct fuse_statx`: `mask u32,
 * blksize u32, attributes u64, nlink u32, uid u32, gid u32, mode u16, spare u16, ino u64, size u64,
 * blocks u64, attributes_mask u64, atime, btime, ctime, mtime (each sec i64, nsec u32, reserved i32),
 * rdev_major u32, rdev_minor u32, dev_major u32, dev_minor u32, spare u64[14]`
 */
export function putStatx(
  out: ReplyBuffer,
  attr: FuseAttr,
  attrValidMs: number,
  btime: FuseTime | undefined,
): void {
  out.zero(0, STATX_OUT_BYTES)
  putValidity(out, 0, 8, attrValidMs)
  const at = 32
  out.u32(at, btime === undefined ? STATX_BASIC_STATS : STATX_BASIC_STATS | STATX_BTIME)
  out.u32(at + 4, attr.blksize)
  out.u32(at + 16, attr.nlink)
  out.u32(at + 20, attr.uid)
  out.u32(at + 24, attr.gid)
  out.u16(at + 28, attr.mode)
  out.u64(at + 32, attr.ino)
  out.u64(at + 40, attr.size)
  out.u64(at + 48, attr.blocks)
  putTime(out, at + 64, attr.atimeSec, attr.atimeNsec)
  if (btime !== undefined) putTime(out, at + 80, btime.sec, btime.nsec)
  putTime(out, at + 96, attr.ctimeSec, attr.ctimeNsec)
  putTime(out, at + 112, attr.mtimeSec, attr.mtimeNsec)
  // The kernel packs device numbers as minor bits 0-7 and 20-31, major bits 8-19.
  out.u32(at + 128, (attr.rdev >>> 8) & 0xfff)
  out.u32(at + 132, (attr.rdev & 0xff) | ((attr.rdev >>> 12) & 0xfff00))
}

function putTime(out: ReplyBuffer, at: number, sec: number, nsec: number): void {
  out.u64(at, sec)
  out.u32(at + 8, nsec)
}
