import { decodePlain } from './decode-node.js'
import type { RequestReader } from './request-reader.js'
import type * as requests from './requests.js'

// Each function documents the body it reads as `field type` from byte 0 of the body.

const OPEN_KILL_SUIDGID = 1 << 0
const WRITE_CACHE = 1 << 0
const WRITE_KILL_SUIDGID = 1 << 2
const FSYNC_FDATASYNC = 1 << 0

/** `flags u32, open_flags u32` */
export function decodeOpen(r: RequestReader): requests.OpenRequest {
  r.need(8)
  const killSuidgid = (r.u32(4) & OPEN_KILL_SUIDGID) !== 0
  return {
    unique: r.unique,
    nodeid: r.nodeid,
    uid: r.uid,
    gid: r.gid,
    pid: r.pid,
    flags: r.u32(0),
    killSuidgid,
  }
}

/** `flags u32, mode u32, umask u32, open_flags u32, name cstring` */
export function decodeCreate(r: RequestReader): requests.CreateRequest {
  r.need(16)
  return { ...decodeTmpfile(r), name: r.entryName(16, r.stringEnd(16)) }
}

/** The same body; the name is only a placeholder, and may be `/`. */
export function decodeTmpfile(r: RequestReader): requests.CreateRequest {
  r.need(16)
  return {
    ...decodePlain(r),
    name: r.copy(16, r.stringEnd(16)),
    flags: r.u32(0),
    mode: r.u32(4),
    umask: r.u32(8),
    killSuidgid: (r.u32(12) & OPEN_KILL_SUIDGID) !== 0,
  }
}

/** `fh u64, offset u64, size u32, read_flags u32, lock_owner u64, flags u32, padding u32` */
export function decodeRead(r: RequestReader): requests.ReadRequest {
  r.need(40)
  return {
    unique: r.unique,
    nodeid: r.nodeid,
    uid: r.uid,
    gid: r.gid,
    pid: r.pid,
    fh: r.u64(0),
    offset: r.u64(8),
    size: r.u32(16),
    flags: r.u32(32),
  }
}

/** `fh u64, offset u64, size u32, write_flags u32, lock_owner u64, flags u32, padding u32, data` */
export function decodeWrite(r: RequestReader): requests.WriteRequest {
  r.need(40)
  const size = r.u32(16)
  r.need(40 + size)
  const writeFlags = r.u32(20)
  return {
    unique: r.unique,
    nodeid: r.nodeid,
    uid: r.uid,
    gid: r.gid,
    pid: r.pid,
    fh: r.u64(0),
    offset: r.u64(8),
    data: r.view(40, 40 + size),
    flags: r.u32(32),
    fromPageCache: (writeFlags & WRITE_CACHE) !== 0,
    killSuidgid: (writeFlags & WRITE_KILL_SUIDGID) !== 0,
  }
}

/** `fh u64, flags u32, release_flags u32, lock_owner u64` */
export function decodeRelease(r: RequestReader): requests.ReleaseRequest {
  r.need(24)
  return { ...decodePlain(r), fh: r.u64(0), flags: r.u32(8) }
}

/** FLUSH: `fh u64, unused u32, padding u32, lock_owner u64` */
export function decodeFlush(r: RequestReader): requests.HandleRequest {
  r.need(24)
  return { ...decodePlain(r), fh: r.u64(0) }
}

/** `fh u64, fsync_flags u32, padding u32` */
export function decodeFsync(r: RequestReader): requests.FsyncRequest {
  r.need(16)
  return { ...decodePlain(r), fh: r.u64(0), dataOnly: (r.u32(8) & FSYNC_FDATASYNC) !== 0 }
}

/** READDIR and READDIRPLUS: the same body as READ */
export function decodeReaddir(r: RequestReader): requests.ReaddirRequest {
  r.need(40)
  return {
    unique: r.unique,
    nodeid: r.nodeid,
    uid: r.uid,
    gid: r.gid,
    pid: r.pid,
    fh: r.u64(0),
    offset: r.u64(8),
    size: r.u32(16),
  }
}

/** `fh u64, offset u64, length u64, mode u32, padding u32` */
export function decodeFallocate(r: RequestReader): requests.FallocateRequest {
  r.need(32)
  return { ...decodePlain(r), fh: r.u64(0), offset: r.u64(8), length: r.u64(16), mode: r.u32(24) }
}

/** `fh u64, offset u64, whence u32, padding u32` */
export function decodeLseek(r: RequestReader): requests.LseekRequest {
  r.need(24)
  return { ...decodePlain(r), fh: r.u64(0), offset: r.u64(8), whence: r.u32(16) }
}

/** `fh_in u64, off_in u64, nodeid_out u64, fh_out u64, off_out u64, len u64, flags u64` */
export function decodeCopyFileRange(r: RequestReader): requests.CopyFileRangeRequest {
  r.need(56)
  return {
    ...decodePlain(r),
    fhIn: r.u64(0),
    offsetIn: r.u64(8),
    nodeidOut: r.u64(16),
    fhOut: r.u64(24),
    offsetOut: r.u64(32),
    length: r.u64(40),
    flags: r.u64(48),
  }
}
