import type { FuseTime } from './attributes.js'

/**
 * What every request carries. Numbers of 64 bits are handed over as doubles: exact up to 2^53, which is
 * more than any nodeid, handle or offset this library's user gives out.
 */
export interface FuseRequest {
  /** The kernel's number for the request. */
  unique: number
  /** The node asked about; for operations on a name, the directory. 1 is the root. */
  nodeid: number
  uid: number
  gid: number
  /** The calling thread; 0 where the caller is in a foreign pid namespace, or the kernel itself. */
  pid: number
}

/** A name inside the directory `nodeid`. Names are bytes, never NUL or `/`, and belong to the receiver. */
export interface NameRequest extends FuseRequest {
  name: Buffer
}

/** Forget `nlookup` of the lookup counts of a node; there is no answer. */
export interface ForgetRequest {
  nodeid: number
  nlookup: number
}

export interface GetattrRequest extends FuseRequest {
  /** Set where the call was `fstat` on an open file. */
  fh: number | undefined
}

/** Attributes to change: those that are not undefined. */
export interface SetattrRequest extends FuseRequest {
  fh: number | undefined
  mode: number | undefined
  uidNew: number | undefined
  gidNew: number | undefined
  size: number | undefined
  atime: FuseTime | undefined
  mtime: FuseTime | undefined
  ctime: FuseTime | undefined
  /** The caller said "now"; `atime` then holds the kernel's clock. */
  atimeNow: boolean
  mtimeNow: boolean
  /** Clear set-user-ID, and set-group-ID where the group may execute, with this change. */
  killSuidgid: boolean
}

export interface SymlinkRequest extends NameRequest {
  target: Buffer
}

export interface MknodRequest extends NameRequest {
  /** Type and permission bits, the umask already applied. */
  mode: number
  rdev: number
  umask: number
}

export interface MkdirRequest extends NameRequest {
  mode: number
  umask: number
}

export interface RenameRequest extends NameRequest {
  newParent: number
  newName: Buffer
  /** `RENAME_NOREPLACE` 1, `RENAME_EXCHANGE` 2, `RENAME_WHITEOUT` 4. */
  flags: number
}

/** Make `newName` in directory `nodeid` another name of `oldNodeid`. */
export interface LinkRequest extends FuseRequest {
  oldNodeid: number
  newName: Buffer
}

export interface OpenRequest extends FuseRequest {
  /** `O_*` of open(2); never `O_CREAT`, and `O_TRUNC` only because ATOMIC_O_TRUNC is negotiated. */
  flags: number
  killSuidgid: boolean
}

export interface CreateRequest extends NameRequest {
  flags: number
  mode: number
  umask: number
  killSuidgid: boolean
}

export interface ReadRequest extends FuseRequest {
  fh: number
  offset: number
  size: number
  /** The open file's flags. */
  flags: number
}

export interface WriteRequest extends FuseRequest {
  fh: number
  offset: number
  /** A view into the session's receive buffer: valid until the handler returns. Copy what must last. */
  data: Buffer
  flags: number
  /** The write comes from the page cache (mmap, writeback): pid and fh are guesses. */
  fromPageCache: boolean
  killSuidgid: boolean
}

export interface ReleaseRequest extends FuseRequest {
  fh: number
  flags: number
}

export interface HandleRequest extends FuseRequest {
  fh: number
}

export interface FsyncRequest extends HandleRequest {
  /** fdatasync: the times need not be durable. */
  dataOnly: boolean
}

export interface SetxattrRequest extends NameRequest {
  value: Buffer
  /** `XATTR_CREATE` 1, `XATTR_REPLACE` 2. */
  flags: number
}

export interface GetxattrRequest extends NameRequest {
  /** Room at the caller; 0 asks for the length only. `reply.xattr` deals with both. */
  size: number
}

export interface ListxattrRequest extends FuseRequest {
  size: number
}

export interface ReaddirRequest extends HandleRequest {
  /** 0, or the `nextOffset` of the last entry that the kernel took. */
  offset: number
  size: number
}

export interface AccessRequest extends FuseRequest {
  mask: number
}

export interface FallocateRequest extends HandleRequest {
  offset: number
  length: number
  /** `FALLOC_FL_*`. */
  mode: number
}

export interface LseekRequest extends HandleRequest {
  offset: number
  /** `SEEK_DATA` 3 or `SEEK_HOLE` 4; the kernel does the others. */
  whence: number
}

export interface CopyFileRangeRequest extends FuseRequest {
  fhIn: number
  offsetIn: number
  nodeidOut: number
  fhOut: number
  offsetOut: number
  length: number
  flags: number
}

export interface StatxRequest extends FuseRequest {
  fh: number | undefined
  flags: number
  mask: number
}
