import { nameToBytes } from '@agentfs/contracts'
import { FOPEN_CACHE_DIR, FOPEN_KEEP_CACHE, type FuseHandlers } from '@agentfs/fuse'
import type { MountCore } from './core.js'
import type { DirectoryHandle } from './handles.js'

const DT = { file: 8, directory: 4, symlink: 10 } as const

/** opendir, readdir, readdirplus, releasedir. Offsets: 1 is `.`, 2 is `..`, then the listing as it was when reading began. */
export function directoryHandlers(core: MountCore): FuseHandlers {
  const { store, handles, virtual } = core

  const listed = (fh: number, offset: number): DirectoryHandle | undefined => {
    const handle = handles.get(fh)
    if (handle?.kind !== 'directory') return undefined
    if (offset === 0)
      handle.listing = virtual.owns(handle.ino) ? virtual.list(handle.ino) : store.list(handle.ino)
    return handle
  }
  const parentOf = (ino: number): number => (virtual.owns(ino) ? 1 : store.parentOf(ino))

  return {
    opendir(request, reply) {
      core.answer(reply, () => {
        const cached = virtual.owns(request.nodeid) ? 0 : FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE
        reply.opened(handles.add({ kind: 'directory', ino: request.nodeid, listing: [] }), cached)
      })
    },

    readdir(request, reply) {
      core.answer(reply, () => {
        const handle = listed(request.fh, request.offset)
        if (handle === undefined) return void reply.error('EBADF')
        for (let at = request.offset; at < handle.listing.length + 2; at++) {
          const entry = handle.listing[at - 2]
          const added =
            entry === undefined
              ? reply.add(
                  at === 0 ? '.' : '..',
                  at === 0 ? handle.ino : parentOf(handle.ino),
                  DT.directory,
                  at + 1,
                )
              : reply.add(nameToBytes(entry.name), entry.ino, DT[entry.kind], at + 1)
          if (!added) break
        }
        reply.send()
      })
    },

    readdirplus(request, reply) {
      core.answer(reply, () => {
        const handle = listed(request.fh, request.offset)
        if (handle === undefined) return void reply.error('EBADF')
        for (let at = request.offset; at < handle.listing.length + 2; at++) {
          const entry = handle.listing[at - 2]
          if (entry === undefined) {
            const ino = at === 0 ? handle.ino : parentOf(handle.ino)
            if (!reply.add(at === 0 ? '.' : '..', ino, DT.directory, at + 1)) break
            continue
          }
          const name = nameToBytes(entry.name)
          const attributes = attributesOf(core, entry.ino)
          const added =
            attributes === undefined
              ? reply.add(name, entry.ino, DT[entry.kind], at + 1)
              : reply.addEntry(name, core.entry(attributes), at + 1)
          if (!added) break
        }
        reply.send()
      })
    },

    releasedir(request, reply) {
      handles.remove(request.fh)
      reply.ok()
    },
  }
}

/** Attributes of a listed inode; undefined for one that went away since the listing was made. */
function attributesOf(core: MountCore, ino: number): ReturnType<MountCore['virtual']['attributes']> {
  try {
    return core.virtual.owns(ino) ? undefined : core.store.attributes(ino)
  } catch {
    return undefined
  }
}
