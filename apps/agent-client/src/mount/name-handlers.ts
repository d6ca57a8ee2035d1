import { NAME_BYTES_MAX, nameToBytes } from '@agentfs/contracts'
import type { FuseHandlers } from '@agentfs/fuse'
import type { RenameFlags } from '@agentfs/sync'
import { nameOf, type MountCore } from './core.js'
import { VIRTUAL_NAME } from './virtual-files.js'

const S_IFMT = 0o170000
const S_IFREG = 0o100000
const RENAME_NOREPLACE = 1
const RENAME_EXCHANGE = 2

/** Operations on names: lookup, mkdir, mknod, symlink, link, rename, unlink, rmdir, readlink. */
export function nameHandlers(core: MountCore, rootIno: number): FuseHandlers {
  const { store, virtual } = core
  /** True where a change would touch `.agentfs/`. */
  const isVirtual = (parent: number, name: Uint8Array): boolean =>
    virtual.owns(parent) || (parent === rootIno && nameOf(name) === VIRTUAL_NAME)
  const owner = (request: { uid: number; gid: number }): { uid: number; gid: number } => ({
    uid: request.uid,
    gid: request.gid,
  })

  return {
    lookup(request, reply) {
      core.answer(reply, () => {
        if (isVirtual(request.nodeid, request.name)) {
          const attributes = virtual.lookup(request.nodeid, nameOf(request.name))
          if (attributes === undefined) return void reply.error('ENOENT')
          reply.entry({ ...core.entry(attributes), entryValidMs: 0, attrValidMs: 0 })
          return
        }
        // The kernel lets 1,024 bytes through.
        if (request.name.length > NAME_BYTES_MAX) return void reply.error('ENAMETOOLONG')
        const attributes = store.lookup(request.nodeid, nameOf(request.name))
        if (attributes === undefined) reply.negativeEntry(core.lifetimes.validMs)
        else reply.entry(core.entry(attributes))
      })
    },

    // Inode numbers are never reused, so there is nothing to count.
    forget() {},

    mkdir(request, reply) {
      core.change(reply, () => {
        if (isVirtual(request.nodeid, request.name)) return void reply.error('EACCES')
        const node = { kind: 'directory', mode: request.mode & 0o7777, ...owner(request) } as const
        reply.entry(core.entry(store.create(request.nodeid, nameOf(request.name), node)))
      })
    },

    mknod(request, reply) {
      core.change(reply, () => {
        if (isVirtual(request.nodeid, request.name)) return void reply.error('EACCES')
        const type = request.mode & S_IFMT
        // Devices, sockets and FIFOs mean nothing on another machine.
        if (type !== 0 && type !== S_IFREG) return void reply.error('EPERM')
        const node = {
          kind: 'file',
          mode: request.mode & 0o7777,
          exclusive: true,
          ...owner(request),
        } as const
        reply.entry(core.entry(store.create(request.nodeid, nameOf(request.name), node)))
      })
    },

    symlink(request, reply) {
      core.change(reply, () => {
        if (isVirtual(request.nodeid, request.name)) return void reply.error('EACCES')
        const target = nameOf(request.target)
        reply.entry(core.entry(store.symlink(request.nodeid, nameOf(request.name), target, owner(request))))
      })
    },

    link(request, reply) {
      core.change(reply, () => {
        if (isVirtual(request.nodeid, request.newName) || virtual.owns(request.oldNodeid)) {
          return void reply.error('EACCES')
        }
        reply.entry(core.entry(store.link(request.oldNodeid, request.nodeid, nameOf(request.newName))))
      })
    },

    rename(request, reply) {
      core.change(reply, () => {
        if (isVirtual(request.nodeid, request.name) || isVirtual(request.newParent, request.newName)) {
          return void reply.error('EACCES')
        }
        const flags = renameFlags(request.flags)
        if (flags === undefined) return void reply.error('EINVAL')
        store.rename(request.nodeid, nameOf(request.name), request.newParent, nameOf(request.newName), flags)
        reply.ok()
      })
    },

    unlink(request, reply) {
      core.change(reply, () => {
        if (isVirtual(request.nodeid, request.name)) return void reply.error('EACCES')
        store.unlink(request.nodeid, nameOf(request.name))
        reply.ok()
      })
    },

    rmdir(request, reply) {
      core.change(reply, () => {
        if (isVirtual(request.nodeid, request.name)) return void reply.error('EACCES')
        store.rmdir(request.nodeid, nameOf(request.name))
        reply.ok()
      })
    },

    readlink(request, reply) {
      core.answer(reply, () => {
        reply.target(nameToBytes(store.readlink(request.nodeid)))
      })
    },
  }
}

function renameFlags(flags: number): RenameFlags | undefined {
  if (flags === 0) return 'none'
  if (flags === RENAME_NOREPLACE) return 'noreplace'
  return flags === RENAME_EXCHANGE ? 'exchange' : undefined
}
