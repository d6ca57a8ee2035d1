import type { FuseTime } from './attributes.js'
import { FATTR } from './flags.js'
import type { RequestReader } from './request-reader.js'
import type * as requests from './requests.js'

// Each function documents the body it reads as `field type` from byte 0 of the body.

const GETATTR_FH = 1 << 0

/** No body. */
export function decodePlain(r: RequestReader): requests.FuseRequest {
  return { unique: r.unique, nodeid: r.nodeid, uid: r.uid, gid: r.gid, pid: r.pid }
}

/** `name cstring` */
export function decodeName(r: RequestReader): requests.NameRequest {
  const name = r.entryName(0, r.stringEnd(0))
  return { unique: r.unique, nodeid: r.nodeid, uid: r.uid, gid: r.gid, pid: r.pid, name }
}

/** `nlookup u64` */
export function decodeForget(r: RequestReader): requests.ForgetRequest {
  r.need(8)
  return { nodeid: r.nodeid, nlookup: r.u64(0) }
}

/** `count u32, dummy u32`, then `count` times `nodeid u64, nlookup u64` */
export function* decodeBatchForget(r: RequestReader): Generator<requests.ForgetRequest> {
  r.need(8)
  const count = r.u32(0)
  r.need(8 + count * 16)
  for (let at = 8; at < 8 + count * 16; at += 16) yield { nodeid: r.u64(at), nlookup: r.u64(at + 8) }
}

/** `flags u32, dummy u32, fh u64` */
export function decodeGetattr(r: RequestReader): requests.GetattrRequest {
  r.need(16)
  const fh = (r.u32(0) & GETATTR_FH) !== 0 ? r.u64(8) : undefined
  return { unique: r.unique, nodeid: r.nodeid, uid: r.uid, gid: r.gid, pid: r.pid, fh }
}

/**
 * `valid u32, padding u32, fh u64, size u64, lock_owner u64, atime u64, mtime u64, ctime u64,
 * atimensec u32, mtimensec u32, ctimensec u32, mode u32, unused u32, uid u32, gid u32, unused u32`
 */
export function decodeSetattr(r: RequestReader): requests.SetattrRequest {
  r.need(88)
  const valid = r.u32(0)
  const time = (bit: number, secAt: number, nsecAt: number): FuseTime | undefined =>
    (valid & bit) !== 0 ? { sec: r.i64(secAt), nsec: r.u32(nsecAt) } : undefined
  return {
    unique: r.unique,
    nodeid: r.nodeid,
    uid: r.uid,
    gid: r.gid,
    pid: r.pid,
    fh: (valid & FATTR.fh) !== 0 ? r.u64(8) : undefined,
    mode: (valid & FATTR.mode) !== 0 ? r.u32(68) : undefined,
    uidNew: (valid & FATTR.uid) !== 0 ? r.u32(76) : undefined,
    gidNew: (valid & FATTR.gid) !== 0 ? r.u32(80) : undefined,
    size: (valid & FATTR.size) !== 0 ? r.u64(16) : undefined,
    atime: time(FATTR.atime, 32, 56),
    mtime: time(FATTR.mtime, 40, 60),
    ctime: time(FATTR.ctime, 48, 64),
    atimeNow: (valid & FATTR.atimeNow) !== 0,
    mtimeNow: (valid & FATTR.mtimeNow) !== 0,
    killSuidgid: (valid & FATTR.killSuidgid) !== 0,
  }
}

/** `flags u32, reserved u32, fh u64, sx_flags u32, sx_mask u32` */
export function decodeStatx(r: RequestReader): requests.StatxRequest {
  r.need(24)
  const fh = (r.u32(0) & GETATTR_FH) !== 0 ? r.u64(8) : undefined
  return { ...decodePlain(r), fh, flags: r.u32(16), mask: r.u32(20) }
}

/** `mask u32, padding u32` */
export function decodeAccess(r: RequestReader): requests.AccessRequest {
  r.need(8)
  return { ...decodePlain(r), mask: r.u32(0) }
}
