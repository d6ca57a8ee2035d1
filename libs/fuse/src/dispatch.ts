import * as entry from './decode-entry.js'
import * as file from './decode-file.js'
import * as node from './decode-node.js'
import * as xattr from './decode-xattr.js'
import type { FuseHandlers } from './handlers.js'
import { OPCODE } from './opcodes.js'
import type { Reply } from './reply.js'
import type { RequestReader } from './request-reader.js'

/** Decodes one request and calls its handler. */
export type Operation = (handlers: FuseHandlers, reader: RequestReader, reply: Reply) => void

/**
 * The operations that these handlers implement, by opcode; INIT, FORGET, INTERRUPT and their like are the
 * session's. Every line pairs a decoder with its handler, so that the compiler checks each pair.
 */
export function operationTable(handlers: FuseHandlers, setxattrExtended: boolean): (Operation | undefined)[] {
  const table: (Operation | undefined)[] = Array.from({ length: OPCODE.COPY_FILE_RANGE_64 + 1 })
  const on = (opcode: keyof typeof OPCODE, name: keyof FuseHandlers, operation: Operation): void => {
    if (handlers[name] !== undefined) table[OPCODE[opcode]] = operation
  }
  on('LOOKUP', 'lookup', (h, r, reply) => h.lookup?.(node.decodeName(r), reply))
  on('GETATTR', 'getattr', (h, r, reply) => h.getattr?.(node.decodeGetattr(r), reply))
  on('SETATTR', 'setattr', (h, r, reply) => h.setattr?.(node.decodeSetattr(r), reply))
  on('STATX', 'statx', (h, r, reply) => h.statx?.(node.decodeStatx(r), reply))
  on('ACCESS', 'access', (h, r, reply) => h.access?.(node.decodeAccess(r), reply))
  on('READLINK', 'readlink', (h, r, reply) => h.readlink?.(node.decodePlain(r), reply))
  on('STATFS', 'statfs', (h, r, reply) => h.statfs?.(node.decodePlain(r), reply))
  on('SYNCFS', 'syncfs', (h, r, reply) => h.syncfs?.(node.decodePlain(r), reply))

  on('SYMLINK', 'symlink', (h, r, reply) => h.symlink?.(entry.decodeSymlink(r), reply))
  on('MKNOD', 'mknod', (h, r, reply) => h.mknod?.(entry.decodeMknod(r), reply))
  on('MKDIR', 'mkdir', (h, r, reply) => h.mkdir?.(entry.decodeMkdir(r), reply))
  on('UNLINK', 'unlink', (h, r, reply) => h.unlink?.(node.decodeName(r), reply))
  on('RMDIR', 'rmdir', (h, r, reply) => h.rmdir?.(node.decodeName(r), reply))
  on('RENAME', 'rename', (h, r, reply) => h.rename?.(entry.decodeRename(r), reply))
  on('RENAME2', 'rename', (h, r, reply) => h.rename?.(entry.decodeRename2(r), reply))
  on('LINK', 'link', (h, r, reply) => h.link?.(entry.decodeLink(r), reply))

  on('OPEN', 'open', (h, r, reply) => h.open?.(file.decodeOpen(r), reply))
  on('CREATE', 'create', (h, r, reply) => h.create?.(file.decodeCreate(r), reply))
  on('TMPFILE', 'tmpfile', (h, r, reply) => h.tmpfile?.(file.decodeTmpfile(r), reply))
  on('READ', 'read', (h, r, reply) => h.read?.(file.decodeRead(r), reply))
  on('WRITE', 'write', (h, r, reply) => h.write?.(file.decodeWrite(r), reply))
  on('FLUSH', 'flush', (h, r, reply) => h.flush?.(file.decodeFlush(r), reply))
  on('RELEASE', 'release', (h, r, reply) => h.release?.(file.decodeRelease(r), reply))
  on('FSYNC', 'fsync', (h, r, reply) => h.fsync?.(file.decodeFsync(r), reply))
  on('FALLOCATE', 'fallocate', (h, r, reply) => h.fallocate?.(file.decodeFallocate(r), reply))
  on('LSEEK', 'lseek', (h, r, reply) => h.lseek?.(file.decodeLseek(r), reply))
  on('COPY_FILE_RANGE', 'copyFileRange', (h, r, reply) =>
    h.copyFileRange?.(file.decodeCopyFileRange(r), reply),
  )
  on('COPY_FILE_RANGE_64', 'copyFileRange', (h, r, reply) =>
    h.copyFileRange?.(file.decodeCopyFileRange(r), reply),
  )

  on('OPENDIR', 'opendir', (h, r, reply) => h.opendir?.(file.decodeOpen(r), reply))
  on('READDIR', 'readdir', (h, r, reply) => h.readdir?.(file.decodeReaddir(r), reply))
  on('READDIRPLUS', 'readdirplus', (h, r, reply) => h.readdirplus?.(file.decodeReaddir(r), reply))
  on('RELEASEDIR', 'releasedir', (h, r, reply) => h.releasedir?.(file.decodeRelease(r), reply))
  on('FSYNCDIR', 'fsyncdir', (h, r, reply) => h.fsyncdir?.(file.decodeFsync(r), reply))

  on('SETXATTR', 'setxattr', (h, r, reply) => h.setxattr?.(xattr.decodeSetxattr(r, setxattrExtended), reply))
  on('GETXATTR', 'getxattr', (h, r, reply) => h.getxattr?.(xattr.decodeGetxattr(r), reply))
  on('LISTXATTR', 'listxattr', (h, r, reply) => h.listxattr?.(xattr.decodeListxattr(r), reply))
  on('REMOVEXATTR', 'removexattr', (h, r, reply) => h.removexattr?.(xattr.decodeRemovexattr(r), reply))
  return table
}
