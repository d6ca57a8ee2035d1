import type { FuseAttr, FuseTime } from '@agentfs/fuse'

export const S_IFMT = 0o170000
export const S_IFDIR = 0o040000
export const S_IFREG = 0o100000
export const S_IFLNK = 0o120000

/** A node of the in-memory tree. Names are kept as latin1 strings: one character per byte, nothing lost. */
export class ReferenceNode {
  readonly ino: number
  mode: number
  uid: number
  gid: number
  rdev = 0
  nlink = 1
  size = 0
  /** At least `size` bytes; what lies beyond is garbage. */
  content = Buffer.alloc(0)
  target: Buffer = Buffer.alloc(0)
  readonly entries = new Map<string, ReferenceNode>()
  readonly xattrs = new Map<string, Buffer>()
  parent: ReferenceNode | undefined
  lookups = 0
  opens = 0
  atime: FuseTime
  mtime: FuseTime
  ctime: FuseTime

  constructor(ino: number, mode: number, uid: number, gid: number) {
    this.ino = ino
    this.mode = mode
    this.uid = uid
    this.gid = gid
    this.atime = this.mtime = this.ctime = now()
    if (this.isDirectory) this.nlink = 2
  }

  get isDirectory(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR
  }

  attr(): FuseAttr {
    return {
      ino: this.ino,
      size: this.size,
      blocks: Math.ceil(this.size / 512),
      atimeSec: this.atime.sec,
      atimeNsec: this.atime.nsec,
      mtimeSec: this.mtime.sec,
      mtimeNsec: this.mtime.nsec,
      ctimeSec: this.ctime.sec,
      ctimeNsec: this.ctime.nsec,
      mode: this.mode,
      nlink: this.nlink,
      uid: this.uid,
      gid: this.gid,
      rdev: this.rdev,
      blksize: 4096,
    }
  }

  touch(): void {
    this.mtime = this.ctime = now()
  }

  /** Sets the size; bytes gained read as zero. */
  resize(size: number): void {
    if (size > this.content.length) {
      const grown = Buffer.allocUnsafe(Math.max(size, Math.min(this.content.length * 2, 1 << 28)))
      this.content.copy(grown, 0, 0, this.size)
      this.content = grown
    }
    if (size > this.size) this.content.fill(0, this.size, size)
    this.size = size
  }

  write(offset: number, data: Buffer): void {
    if (offset + data.length > this.size) this.resize(offset + data.length)
    data.copy(this.content, offset)
    this.touch()
  }

  /** Clears set-user-ID, and set-group-ID where the group may execute. */
  killSuidgid(): void {
    this.mode &= ~0o4000
    if ((this.mode & 0o10) !== 0) this.mode &= ~0o2000
  }
}

export function now(): FuseTime {
  const ms = performance.timeOrigin + performance.now()
  const sec = Math.floor(ms / 1000)
  return { sec, nsec: Math.floor((ms - sec * 1000) * 1e6) }
}
