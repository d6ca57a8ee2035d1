import { isUtf8 } from 'node:buffer'
import type { FuseHandlers } from '@agentfs/fuse'
import type { MountCore } from './core.js'

/** Facts of ours that show as extended attributes, read-only (docs/MOUNT.md). */
const OURS = ['user.agentfs.state', 'user.agentfs.node', 'user.agentfs.version'] as const
const XATTR_CREATE = 1
const XATTR_REPLACE = 2

/** getxattr, listxattr, setxattr, removexattr. */
export function xattrHandlers(core: MountCore): FuseHandlers {
  const { store, virtual } = core

  const ours = (ino: number, name: string): string | undefined => {
    if (name === 'user.agentfs.state') return store.fileState(ino)
    if (name === 'user.agentfs.node') return store.nodeId(ino)
    return name === 'user.agentfs.version' ? (store.versionOf(ino) ?? '') : undefined
  }

  return {
    getxattr(request, reply) {
      core.answer(reply, () => {
        const name = nameOf(request.name)
        if (name === undefined) return void reply.error('ENODATA')
        // Asked before every write by the kernel's security layer; nothing of the kind is ever stored.
        if (virtual.owns(request.nodeid) || name.startsWith('security.')) return void reply.error('ENODATA')
        if (name.startsWith('system.')) return void reply.error('EOPNOTSUPP')
        const own = ours(request.nodeid, name)
        const value = own === undefined ? store.getxattr(request.nodeid, name) : Buffer.from(own)
        if (value === undefined) reply.error('ENODATA')
        else reply.xattr(value)
      })
    },

    listxattr(request, reply) {
      core.answer(reply, () => {
        const names = virtual.owns(request.nodeid) ? [] : store.listxattr(request.nodeid)
        reply.xattr(Buffer.from(names.map((name) => `${name}\0`).join('')))
      })
    },

    setxattr(request, reply) {
      core.change(reply, () => {
        const name = nameOf(request.name)
        if (name === undefined) return void reply.error('EINVAL')
        if (virtual.owns(request.nodeid) || (OURS as readonly string[]).includes(name))
          return void reply.error('EPERM')
        if (!name.startsWith('user.') && !name.startsWith('trusted.')) return void reply.error('EOPNOTSUPP')
        const mode =
          request.flags === XATTR_CREATE ? 'create' : request.flags === XATTR_REPLACE ? 'replace' : 'any'
        const exists = store.getxattr(request.nodeid, name) !== undefined
        if (mode === 'create' && exists) return void reply.error('EEXIST')
        if (mode === 'replace' && !exists) return void reply.error('ENODATA')
        store.setxattr(request.nodeid, name, Uint8Array.from(request.value), mode)
        reply.ok()
      })
    },

    removexattr(request, reply) {
      core.change(reply, () => {
        const name = nameOf(request.name)
        if (name === undefined) return void reply.error('ENODATA')
        if (virtual.owns(request.nodeid)) return void reply.error('EPERM')
        if (store.removexattr(request.nodeid, name)) reply.ok()
        else reply.error('ENODATA')
      })
    },
  }
}

/** An attribute's name; undefined for bytes that are no UTF-8, of which several would be one. */
function nameOf(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined
}
