import type * as replies from './replies.js'
import type * as requests from './requests.js'

/** What the kernel and this library agreed on at INIT. */
export interface FuseConnection {
  /** Protocol version of the kernel is 7.`minor`. */
  minor: number
  /** Negotiated `FUSE_INIT` flags; test single ones with `hasInitFlag`. */
  flags: number
  flags2: number
  writeBytesMax: number
  readaheadBytesMax: number
}

/**
 * One synchronous method per operation. A missing one answers `ENOSYS`, which the kernel takes as
 * "never ask again" for OPEN, OPENDIR, FLUSH, FSYNC, ACCESS, the xattr calls, FALLOCATE, LSEEK and more.
 * One that throws answers `EIO`.
 */
export interface FuseHandlers {
  /** The kernel is ready; the first request follows. */
  init?(connection: FuseConnection): void
  /** The filesystem was unmounted; sent for block-device mounts only, so do not rely on it. */
  destroy?(): void
  lookup?(request: requests.NameRequest, reply: replies.LookupReply): void
  forget?(request: requests.ForgetRequest): void
  getattr?(request: requests.GetattrRequest, reply: replies.AttrReply): void
  setattr?(request: requests.SetattrRequest, reply: replies.AttrReply): void
  statx?(request: requests.StatxRequest, reply: replies.StatxReply): void
  readlink?(request: requests.FuseRequest, reply: replies.ReadlinkReply): void
  symlink?(request: requests.SymlinkRequest, reply: replies.EntryReply): void
  mknod?(request: requests.MknodRequest, reply: replies.EntryReply): void
  mkdir?(request: requests.MkdirRequest, reply: replies.EntryReply): void
  unlink?(request: requests.NameRequest, reply: replies.EmptyReply): void
  rmdir?(request: requests.NameRequest, reply: replies.EmptyReply): void
  rename?(request: requests.RenameRequest, reply: replies.EmptyReply): void
  link?(request: requests.LinkRequest, reply: replies.EntryReply): void
  open?(request: requests.OpenRequest, reply: replies.OpenReply): void
  create?(request: requests.CreateRequest, reply: replies.CreateReply): void
  /** open(2) with `O_TMPFILE`: a node without a name; `name` is a placeholder. */
  tmpfile?(request: requests.CreateRequest, reply: replies.CreateReply): void
  read?(request: requests.ReadRequest, reply: replies.DataReply): void
  write?(request: requests.WriteRequest, reply: replies.WriteReply): void
  statfs?(request: requests.FuseRequest, reply: replies.StatfsReply): void
  /** close(2) of each descriptor, with a result the caller sees. */
  flush?(request: requests.HandleRequest, reply: replies.EmptyReply): void
  /** The last reference to the open file is gone; nobody sees the result. */
  release?(request: requests.ReleaseRequest, reply: replies.EmptyReply): void
  fsync?(request: requests.FsyncRequest, reply: replies.EmptyReply): void
  setxattr?(request: requests.SetxattrRequest, reply: replies.EmptyReply): void
  getxattr?(request: requests.GetxattrRequest, reply: replies.XattrReply): void
  listxattr?(request: requests.ListxattrRequest, reply: replies.XattrReply): void
  removexattr?(request: requests.NameRequest, reply: replies.EmptyReply): void
  opendir?(request: requests.OpenRequest, reply: replies.OpenReply): void
  readdir?(request: requests.ReaddirRequest, reply: replies.DirectoryReply): void
  readdirplus?(request: requests.ReaddirRequest, reply: replies.DirectoryPlusReply): void
  releasedir?(request: requests.ReleaseRequest, reply: replies.EmptyReply): void
  fsyncdir?(request: requests.FsyncRequest, reply: replies.EmptyReply): void
  access?(request: requests.AccessRequest, reply: replies.EmptyReply): void
  fallocate?(request: requests.FallocateRequest, reply: replies.EmptyReply): void
  lseek?(request: requests.LseekRequest, reply: replies.LseekReply): void
  copyFileRange?(request: requests.CopyFileRangeRequest, reply: replies.CopyReply): void
  syncfs?(request: requests.FuseRequest, reply: replies.EmptyReply): void
}
