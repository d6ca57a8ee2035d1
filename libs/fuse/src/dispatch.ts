import * as entry from './decode-entry.js'
import * as file from './decode-file.js'
import * as node from './decode-node.js'
import * as xattr from './decode-xattr.js'
import type { FuseHandlers } from './handlers.js'
import { OPCODE } from './opcodes.js'
import type { Reply } from './reply.js'
import type { RequestReader } from './request-reader.js'

/** Decodes one request and calls its handler; false where there is no such handler. */
export type Operation = (handlers: FuseHandlers, reader: RequestReader, reply: Reply) => boolean

const setxattr =
  (extended: boolean): Operation =>
  (h, r, reply) =>
    h.setxattr !== undefined && (h.setxattr(xattr.decodeSetxattr(r, extended), reply), true)

/**
 * The operations that are answered, by opcode; INIT, FORGET, INTERRUPT and their like are the session's.
 * A switch over the handlers' names rather than one over decoders: each pair is checked by the compiler.
 */
export function operationTable(setxattrExtended: boolean): (Operation | undefined)[] {
  const table: (Operation | undefined)[] = Array.from({ length: OPCODE.COPY_FILE_RANGE_64 + 1 })
  const on = (opcode: number, operation: Operation): void => {
    table[opcode] = operation
  }
  on(OPCODE.LOOKUP, (h, r, y) => h.lookup !== undefined && (h.lookup(node.decodeName(r), y), true))
  on(OPCODE.GETATTR, (h, r, y) => h.getattr !== undefined && (h.getattr(node.decodeGetattr(r), y), true))
  on(OPCODE.SETATTR, (h, r, y) => h.setattr !== undefined && (h.setattr(node.decodeSetattr(r), y), true))
  on(OPCODE.STATX, (h, r, y) => h.statx !== undefined && (h.statx(node.decodeStatx(r), y), true))
  on(OPCODE.READLINK, (h, r, y) => h.readlink !== undefined && (h.readlink(node.decodePlain(r), y), true))
  on(OPCODE.SYMLINK, (h, r, y) => h.symlink !== undefined && (h.symlink(entry.decodeSymlink(r), y), true))
  on(OPCODE.MKNOD, (h, r, y) => h.mknod !== undefined && (h.mknod(entry.decodeMknod(r), y), true))
  on(OPCODE.MKDIR, (h, r, y) => h.mkdir !== undefined && (h.mkdir(entry.decodeMkdir(r), y), true))
  on(OPCODE.UNLINK, (h, r, y) => h.unlink !== undefined && (h.unlink(node.decodeName(r), y), true))
  on(OPCODE.RMDIR, (h, r, y) => h.rmdir !== undefined && (h.rmdir(node.decodeName(r), y), true))
  on(OPCODE.RENAME, (h, r, y) => h.rename !== undefined && (h.rename(entry.decodeRename(r), y), true))
  on(OPCODE.RENAME2, (h, r, y) => h.rename !== undefined && (h.rename(entry.decodeRename2(r), y), true))
  on(OPCODE.LINK, (h, r, y) => h.link !== undefined && (h.link(entry.decodeLink(r), y), true))
  on(OPCODE.OPEN, (h, r, y) => h.open !== undefined && (h.open(file.decodeOpen(r), y), true))
  on(OPCODE.CREATE, (h, r, y) => h.create !== undefined && (h.create(file.decodeCreate(r), y), true))
  on(OPCODE.TMPFILE, (h, r, y) => h.tmpfile !== undefined && (h.tmpfile(file.decodeCreate(r), y), true))
  on(OPCODE.READ, (h, r, y) => h.read !== undefined && (h.read(file.decodeRead(r), y), true))
  on(OPCODE.WRITE, (h, r, y) => h.write !== undefined && (h.write(file.decodeWrite(r), y), true))
  on(OPCODE.STATFS, (h, r, y) => h.statfs !== undefined && (h.statfs(node.decodePlain(r), y), true))
  on(OPCODE.FLUSH, (h, r, y) => h.flush !== undefined && (h.flush(file.decodeFlush(r), y), true))
  on(OPCODE.RELEASE, (h, r, y) => h.release !== undefined && (h.release(file.decodeRelease(r), y), true))
  on(OPCODE.FSYNC, (h, r, y) => h.fsync !== undefined && (h.fsync(file.decodeFsync(r), y), true))
  on(OPCODE.SETXATTR, setxattr(setxattrExtended))
  on(OPCODE.GETXATTR, (h, r, y) => h.getxattr !== undefined && (h.getxattr(xattr.decodeGetxattr(r), y), true))
  on(
    OPCODE.LISTXATTR,
    (h, r, y) => h.listxattr !== undefined && (h.listxattr(xattr.decodeListxattr(r), y), true),
  )
  on(
    OPCODE.REMOVEXATTR,
    (h, r, y) => h.removexattr !== undefined && (h.removexattr(xattr.decodeRemovexattr(r), y), true),
  )
  on(OPCODE.OPENDIR, (h, r, y) => h.opendir !== undefined && (h.opendir(file.decodeOpen(r), y), true))
  on(OPCODE.READDIR, (h, r, y) => h.readdir !== undefined && (h.readdir(file.decodeReaddir(r), y), true))
  on(
    OPCODE.READDIRPLUS,
    (h, r, y) => h.readdirplus !== undefined && (h.readdirplus(file.decodeReaddir(r), y), true),
  )
  on(
    OPCODE.RELEASEDIR,
    (h, r, y) => h.releasedir !== undefined && (h.releasedir(file.decodeRelease(r), y), true),
  )
  on(OPCODE.FSYNCDIR, (h, r, y) => h.fsyncdir !== undefined && (h.fsyncdir(file.decodeFsync(r), y), true))
  on(OPCODE.ACCESS, (h, r, y) => h.access !== undefined && (h.access(node.decodeAccess(r), y), true))
  on(
    OPCODE.FALLOCATE,
    (h, r, y) => h.fallocate !== undefined && (h.fallocate(file.decodeFallocate(r), y), true),
  )
  on(OPCODE.LSEEK, (h, r, y) => h.lseek !== undefined && (h.lseek(file.decodeLseek(r), y), true))
  on(OPCODE.SYNCFS, (h, r, y) => h.syncfs !== undefined && (h.syncfs(node.decodePlain(r), y), true))
  const copyFileRange: Operation = (h, r, y) =>
    h.copyFileRange !== undefined && (h.copyFileRange(file.decodeCopyFileRange(r), y), true)
  on(OPCODE.COPY_FILE_RANGE, copyFileRange)
  on(OPCODE.COPY_FILE_RANGE_64, copyFileRange)
  return table
}
