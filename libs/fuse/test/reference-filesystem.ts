import * as fuse from '@agentfs/fuse'
import { now, ReferenceNode, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from './reference-tree.js'

const O_ACCMODE = 3
const O_TRUNC = 0o1000
const RENAME_NOREPLACE = 1
const RENAME_EXCHANGE = 2
const FALLOC_FL_KEEP_SIZE = 1
const FALLOC_FL_PUNCH_HOLE = 2
const SEEK_DATA = 3
const XATTR_CREATE = 1
const XATTR_REPLACE = 2

/** How the kernel may cache what the reference filesystem answers. */
export interface ReferenceOptions {
  entryValidMs: number
  attrValidMs: number
  /** Keep pages and listings over opens, and skip FLUSH for handles that only read. */
  keepCache: boolean
  /** Reads and writes of open files go past the page cache. */
  directIo?: boolean
}

class Refusal extends Error {
  readonly code: fuse.ErrnoName
  constructor(code: fuse.ErrnoName) {
    super(code)
    this.code = code
  }
}

/**
 * A filesystem in memory that implements every operation the library decodes, for tests and measurements.
 * A node's id is its inode number; names are latin1 strings inside.
 */
export class ReferenceFilesystem implements fuse.FuseHandlers {
  readonly options: ReferenceOptions
  readonly root = new ReferenceNode(
    fuse.FUSE_ROOT_ID,
    S_IFDIR | 0o755,
    process.getuid?.() ?? 0,
    process.getgid?.() ?? 0,
  )
  readonly nodes = new Map<number, ReferenceNode>([[fuse.FUSE_ROOT_ID, this.root]])
  readonly #handles = new Map<number, [string, ReferenceNode][]>()
  #nextIno = 2
  #nextHandle = 1

  constructor(options: ReferenceOptions) {
    this.options = options
    this.root.lookups = 1
  }

  lookup(request: fuse.NameRequest, reply: fuse.LookupReply): void {
    const child = this.#directory(request.nodeid).entries.get(key(request.name))
    if (child === undefined) reply.negativeEntry(this.options.entryValidMs)
    else reply.entry(this.#entered(child))
  }

  forget({ nodeid, nlookup }: fuse.ForgetRequest): void {
    const node = this.nodes.get(nodeid)
    if (node === undefined) return
    node.lookups -= nlookup
    this.#release(node)
  }

  getattr(request: fuse.GetattrRequest, reply: fuse.AttrReply): void {
    reply.attr(this.#node(request.nodeid).attr(), this.options.attrValidMs)
  }

  statx(request: fuse.StatxRequest, reply: fuse.StatxReply): void {
    reply.statx(this.#node(request.nodeid).attr(), this.options.attrValidMs, { sec: 981_173_106, nsec: 789 })
  }

  setattr(request: fuse.SetattrRequest, reply: fuse.AttrReply): void {
    const node = this.#node(request.nodeid)
    if (request.mode !== undefined) node.mode = (node.mode & S_IFMT) | (request.mode & ~S_IFMT)
    if (request.uidNew !== undefined) node.uid = request.uidNew
    if (request.gidNew !== undefined) node.gid = request.gidNew
    if (request.size !== undefined) {
      node.resize(request.size)
      node.touch()
    }
    if (request.atime !== undefined) node.atime = request.atime
    if (request.mtime !== undefined) node.mtime = request.mtime
    if (request.killSuidgid) node.killSuidgid()
    node.ctime = now()
    reply.attr(node.attr(), this.options.attrValidMs)
  }

  readlink(request: fuse.FuseRequest, reply: fuse.ReadlinkReply): void {
    reply.target(this.#node(request.nodeid).target)
  }

  symlink(request: fuse.SymlinkRequest, reply: fuse.EntryReply): void {
    const node = this.#create(request, S_IFLNK | 0o777)
    node.target = request.target
    node.size = request.target.length
    reply.entry(this.#entered(node))
  }

  mknod(request: fuse.MknodRequest, reply: fuse.EntryReply): void {
    const node = this.#create(request, request.mode)
    node.rdev = request.rdev
    reply.entry(this.#entered(node))
  }

  mkdir(request: fuse.MkdirRequest, reply: fuse.EntryReply): void {
    reply.entry(this.#entered(this.#create(request, S_IFDIR | request.mode)))
  }

  unlink(request: fuse.NameRequest, reply: fuse.EmptyReply): void {
    const directory = this.#directory(request.nodeid)
    const node = this.#child(directory, request.name)
    if (node.isDirectory) throw new Refusal('EISDIR')
    this.#remove(directory, key(request.name), node)
    reply.ok()
  }

  rmdir(request: fuse.NameRequest, reply: fuse.EmptyReply): void {
    const directory = this.#directory(request.nodeid)
    const node = this.#child(directory, request.name)
    if (!node.isDirectory) throw new Refusal('ENOTDIR')
    if (node.entries.size > 0) throw new Refusal('ENOTEMPTY')
    this.#remove(directory, key(request.name), node)
    reply.ok()
  }

  rename(request: fuse.RenameRequest, reply: fuse.EmptyReply): void {
    if ((request.flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) !== 0) throw new Refusal('EINVAL')
    const from = this.#directory(request.nodeid)
    const to = this.#directory(request.newParent)
    const node = this.#child(from, request.name)
    const target = to.entries.get(key(request.newName))
    if (request.flags === RENAME_EXCHANGE) {
      if (target === undefined) throw new Refusal('ENOENT')
      this.#attach(from, key(request.name), target)
      this.#attach(to, key(request.newName), node)
    } else {
      if (target !== undefined && request.flags === RENAME_NOREPLACE) throw new Refusal('EEXIST')
      if (target !== undefined && target !== node) this.#replace(to, key(request.newName), node, target)
      if (target === node) {
        reply.ok()
        return
      }
      this.#detach(from, key(request.name), node)
      this.#attach(to, key(request.newName), node)
    }
    node.ctime = now()
    reply.ok()
  }

  link(request: fuse.LinkRequest, reply: fuse.EntryReply): void {
    const directory = this.#directory(request.nodeid)
    const node = this.#node(request.oldNodeid)
    if (directory.entries.has(key(request.newName))) throw new Refusal('EEXIST')
    node.nlink += 1
    node.ctime = now()
    this.#attach(directory, key(request.newName), node)
    reply.entry(this.#entered(node))
  }

  open(request: fuse.OpenRequest, reply: fuse.OpenReply): void {
    const node = this.#node(request.nodeid)
    if ((request.flags & O_TRUNC) !== 0) {
      node.resize(0)
      node.touch()
      if (request.killSuidgid) node.killSuidgid()
    }
    node.opens += 1
    reply.opened(0, this.#openFlags(request.flags))
  }

  create(request: fuse.CreateRequest, reply: fuse.CreateReply): void {
    const node = this.#create(request, S_IFREG | request.mode)
    node.opens += 1
    reply.created(this.#entered(node), 0, this.#openFlags(request.flags))
  }

  tmpfile(request: fuse.CreateRequest, reply: fuse.CreateReply): void {
    const node = this.#allocate(S_IFREG | request.mode, request)
    node.nlink = 0
    node.opens += 1
    reply.created(this.#entered(node), 0, this.#openFlags(request.flags))
  }

  read(request: fuse.ReadRequest, reply: fuse.DataReply): void {
    const node = this.#node(request.nodeid)
    reply.data(node.content.subarray(request.offset, Math.min(node.size, request.offset + request.size)))
  }

  write(request: fuse.WriteRequest, reply: fuse.WriteReply): void {
    const node = this.#node(request.nodeid)
    node.write(request.offset, request.data)
    if (request.killSuidgid) node.killSuidgid()
    reply.written(request.data.length)
  }

  statfs(_request: fuse.FuseRequest, reply: fuse.StatfsReply): void {
    const blocks = 1 << 20
    reply.statfs({
      blocks,
      bfree: blocks / 2,
      bavail: blocks / 4,
      files: 1000,
      ffree: 900,
      bsize: 4096,
      namelen: 255,
      frsize: 4096,
    })
  }

  flush(_request: fuse.HandleRequest, reply: fuse.EmptyReply): void {
    reply.ok()
  }

  release(request: fuse.ReleaseRequest, reply: fuse.EmptyReply): void {
    const node = this.#node(request.nodeid)
    node.opens -= 1
    this.#release(node)
    reply.ok()
  }

  fsync(_request: fuse.FsyncRequest, reply: fuse.EmptyReply): void {
    reply.ok()
  }

  setxattr(request: fuse.SetxattrRequest, reply: fuse.EmptyReply): void {
    const { xattrs } = this.#node(request.nodeid)
    const exists = xattrs.has(key(request.name))
    if ((request.flags & XATTR_CREATE) !== 0 && exists) throw new Refusal('EEXIST')
    if ((request.flags & XATTR_REPLACE) !== 0 && !exists) throw new Refusal('ENODATA')
    xattrs.set(key(request.name), request.value)
    reply.ok()
  }

  getxattr(request: fuse.GetxattrRequest, reply: fuse.XattrReply): void {
    const value = this.#node(request.nodeid).xattrs.get(key(request.name))
    if (value === undefined) throw new Refusal('ENODATA')
    reply.xattr(value)
  }

  listxattr(request: fuse.ListxattrRequest, reply: fuse.XattrReply): void {
    const names = [...this.#node(request.nodeid).xattrs.keys()]
    reply.xattr(Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1'))
  }

  removexattr(request: fuse.NameRequest, reply: fuse.EmptyReply): void {
    if (!this.#node(request.nodeid).xattrs.delete(key(request.name))) throw new Refusal('ENODATA')
    reply.ok()
  }

  opendir(request: fuse.OpenRequest, reply: fuse.OpenReply): void {
    const directory = this.#directory(request.nodeid)
    const handle = this.#nextHandle
    this.#nextHandle += 1
    this.#handles.set(handle, [['.', directory], ['..', directory.parent ?? directory], ...directory.entries])
    directory.opens += 1
    reply.opened(handle, this.options.keepCache ? fuse.FOPEN_KEEP_CACHE | fuse.FOPEN_CACHE_DIR : 0)
  }

  readdir(request: fuse.ReaddirRequest, reply: fuse.DirectoryReply): void {
    const listing = this.#listing(request.fh)
    for (let index = request.offset; index < listing.length; index += 1) {
      const [name, node] = listing[index] as [string, ReferenceNode]
      if (!reply.add(Buffer.from(name, 'latin1'), node.ino, node.mode >>> 12, index + 1)) break
    }
    reply.send()
  }

  readdirplus(request: fuse.ReaddirRequest, reply: fuse.DirectoryPlusReply): void {
    const listing = this.#listing(request.fh)
    for (let index = request.offset; index < listing.length; index += 1) {
      const [name, node] = listing[index] as [string, ReferenceNode]
      const bytes = Buffer.from(name, 'latin1')
      if (index < 2 || node.nlink === 0) {
        if (!reply.add(bytes, node.ino, node.mode >>> 12, index + 1)) break
      } else {
        if (!reply.addEntry(bytes, this.#entry(node), index + 1)) break
        node.lookups += 1
      }
    }
    reply.send()
  }

  releasedir(request: fuse.ReleaseRequest, reply: fuse.EmptyReply): void {
    this.#handles.delete(request.fh)
    const directory = this.#node(request.nodeid)
    directory.opens -= 1
    this.#release(directory)
    reply.ok()
  }

  fsyncdir(_request: fuse.FsyncRequest, reply: fuse.EmptyReply): void {
    reply.ok()
  }

  access(_request: fuse.AccessRequest, reply: fuse.EmptyReply): void {
    reply.ok()
  }

  fallocate(request: fuse.FallocateRequest, reply: fuse.EmptyReply): void {
    const node = this.#node(request.nodeid)
    const end = request.offset + request.length
    if ((request.mode & FALLOC_FL_PUNCH_HOLE) !== 0) {
      node.content.fill(0, Math.min(request.offset, node.size), Math.min(end, node.size))
    } else if (request.mode !== 0 && request.mode !== FALLOC_FL_KEEP_SIZE) {
      throw new Refusal('EOPNOTSUPP')
    } else if (request.mode === 0 && end > node.size) {
      node.resize(end)
    }
    node.touch()
    reply.ok()
  }

  lseek(request: fuse.LseekRequest, reply: fuse.LseekReply): void {
    const node = this.#node(request.nodeid)
    if (request.offset >= node.size) throw new Refusal('ENXIO')
    reply.offset(request.whence === SEEK_DATA ? request.offset : node.size)
  }

  copyFileRange(request: fuse.CopyFileRangeRequest, reply: fuse.CopyReply): void {
    const from = this.#node(request.nodeid)
    const end = Math.min(from.size, request.offsetIn + request.length)
    const bytes = Buffer.from(from.content.subarray(request.offsetIn, end))
    this.#node(request.nodeidOut).write(request.offsetOut, bytes)
    reply.copied(bytes.length)
  }

  /** The node at a path below the root; for changes that come from elsewhere than the kernel. */
  at(path: string): ReferenceNode {
    let node = this.root
    for (const name of path.split('/').filter((part) => part !== '')) {
      node = this.#child(node, Buffer.from(name))
    }
    return node
  }

  #node(nodeid: number): ReferenceNode {
    const node = this.nodes.get(nodeid)
    if (node === undefined) throw new Refusal('ESTALE')
    return node
  }

  #directory(nodeid: number): ReferenceNode {
    const node = this.#node(nodeid)
    if (!node.isDirectory) throw new Refusal('ENOTDIR')
    return node
  }

  #child(directory: ReferenceNode, name: Buffer): ReferenceNode {
    const child = directory.entries.get(key(name))
    if (child === undefined) throw new Refusal('ENOENT')
    return child
  }

  #listing(handle: number): [string, ReferenceNode][] {
    const listing = this.#handles.get(handle)
    if (listing === undefined) throw new Refusal('EBADF')
    return listing
  }

  #allocate(mode: number, caller: { uid: number; gid: number }): ReferenceNode {
    const node = new ReferenceNode(this.#nextIno, mode, caller.uid, caller.gid)
    this.#nextIno += 1
    this.nodes.set(node.ino, node)
    return node
  }

  #create(request: fuse.NameRequest, mode: number): ReferenceNode {
    const directory = this.#directory(request.nodeid)
    const name = key(request.name)
    if (directory.entries.has(name)) throw new Refusal('EEXIST')
    if (directory.nlink === 0) throw new Refusal('ENOENT')
    const node = this.#allocate(mode, request)
    if ((directory.mode & 0o2000) !== 0) {
      node.gid = directory.gid
      if (node.isDirectory) node.mode |= 0o2000
    }
    this.#attach(directory, name, node)
    return node
  }

  #attach(directory: ReferenceNode, name: string, node: ReferenceNode): void {
    directory.entries.set(name, node)
    directory.touch()
    if (!node.isDirectory || node.parent === directory) return
    if (node.parent !== undefined) node.parent.nlink -= 1
    directory.nlink += 1
    node.parent = directory
  }

  #detach(directory: ReferenceNode, name: string, node: ReferenceNode): void {
    directory.entries.delete(name)
    directory.touch()
    if (!node.isDirectory) return
    directory.nlink -= 1
    node.parent = undefined
  }

  #remove(directory: ReferenceNode, name: string, node: ReferenceNode): void {
    this.#detach(directory, name, node)
    node.nlink = node.isDirectory ? 0 : node.nlink - 1
    node.ctime = now()
    this.#release(node)
  }

  #replace(to: ReferenceNode, name: string, node: ReferenceNode, target: ReferenceNode): void {
    if (target.isDirectory && target.entries.size > 0) throw new Refusal('ENOTEMPTY')
    if (target.isDirectory && !node.isDirectory) throw new Refusal('EISDIR')
    if (!target.isDirectory && node.isDirectory) throw new Refusal('ENOTDIR')
    this.#remove(to, name, target)
  }

  /** Lets go of a node that nobody can reach any more. */
  #release(node: ReferenceNode): void {
    if (node.nlink === 0 && node.lookups <= 0 && node.opens === 0) this.nodes.delete(node.ino)
  }

  #entry(node: ReferenceNode): fuse.FuseEntry {
    return {
      nodeid: node.ino,
      generation: 0,
      attr: node.attr(),
      entryValidMs: this.options.entryValidMs,
      attrValidMs: this.options.attrValidMs,
    }
  }

  #entered(node: ReferenceNode): fuse.FuseEntry {
    node.lookups += 1
    return this.#entry(node)
  }

  #openFlags(flags: number): number {
    if (this.options.directIo === true) return fuse.FOPEN_DIRECT_IO
    if (!this.options.keepCache) return 0
    return (flags & O_ACCMODE) === 0 ? fuse.FOPEN_KEEP_CACHE | fuse.FOPEN_NOFLUSH : fuse.FOPEN_KEEP_CACHE
  }
}

/** The error a handler of this filesystem refuses with; anything else it throws is a fault. */
export function refusalCode(error: unknown): fuse.ErrnoName | undefined {
  return error instanceof Refusal ? error.code : undefined
}

function key(name: Buffer): string {
  return name.toString('latin1')
}
