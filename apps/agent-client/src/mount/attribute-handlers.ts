import type { FuseHandlers, FuseTime } from '@agentfs/fuse'
import type { AttributeChange } from '@agentfs/sync'
import type { MountCore } from './core.js'

const BLOCK_BYTES = 4096
// Nobody's quota is known here yet: what statfs calls free is a number that no tool takes for full.
const BLOCKS_TOTAL = 2 ** 38
const NAME_BYTES_MAX = 255

/** getattr, setattr, statfs. */
export function attributeHandlers(core: MountCore): FuseHandlers {
  const { store, virtual } = core
  return {
    getattr(request, reply) {
      core.answer(reply, () => {
        if (!virtual.owns(request.nodeid)) {
          reply.attr(core.attr(store.attributes(request.nodeid)), core.lifetimes.validMs)
          return
        }
        const attributes = virtual.attributes(request.nodeid)
        if (attributes === undefined) reply.error('ESTALE')
        else reply.attr(core.attr(attributes), 0)
      })
    },

    setattr(request, reply) {
      core.change(reply, () => {
        if (virtual.owns(request.nodeid)) return void reply.error('EACCES')
        const ino = request.nodeid
        if (request.size !== undefined) store.truncate(ino, request.size)
        let { mode } = request
        if (request.killSuidgid && mode === undefined) mode = withoutSetId(store.attributes(ino).mode)
        const change: AttributeChange = {
          ...(mode === undefined ? {} : { mode: mode & 0o7777 }),
          // Shown owners are the mounting user's: a chown to it changes nothing that is stored [FS-7].
          ...(core.view.owner !== null || request.uidNew === undefined ? {} : { uid: request.uidNew }),
          ...(core.view.owner !== null || request.gidNew === undefined ? {} : { gid: request.gidNew }),
          ...(request.mtime === undefined ? {} : { mtime: timeSpec(request.mtime) }),
        }
        if (core.view.owner !== null && chownElsewhere(core, request)) return void reply.error('EPERM')
        if (Object.keys(change).length > 0) store.setAttributes(ino, change)
        reply.attr(core.attr(store.attributes(ino)), core.lifetimes.validMs)
      })
    },

    statfs(_request, reply) {
      core.answer(reply, () => {
        const { nodes, bytes } = store.usage()
        const free = BLOCKS_TOTAL - Math.ceil(bytes / BLOCK_BYTES)
        reply.statfs({
          blocks: BLOCKS_TOTAL,
          bfree: free,
          bavail: free,
          files: 2 ** 32,
          ffree: 2 ** 32 - nodes,
          bsize: BLOCK_BYTES,
          frsize: BLOCK_BYTES,
          namelen: NAME_BYTES_MAX,
        })
      })
    },
  }
}

/** A chown to somebody whom this mount does not show cannot be kept: refused rather than forgotten. */
function chownElsewhere(
  core: MountCore,
  request: { uidNew: number | undefined; gidNew: number | undefined },
): boolean {
  const { owner } = core.view
  if (owner === null) return false
  const uidElse = request.uidNew !== undefined && request.uidNew !== owner.uid
  const gidElse = request.gidNew !== undefined && request.gidNew !== owner.gid
  // Root in a container unpacks archives with other people's owners; a local filesystem shared that way ignores them too.
  return (uidElse || gidElse) && owner.uid !== 0
}

/** POSIX: a write clears set-user-ID, and set-group-ID where the group may execute. */
export function withoutSetId(mode: number): number {
  return (mode & 0o010) === 0 ? mode & ~0o4000 : mode & ~0o6000
}

function timeSpec(time: FuseTime): [number, number] {
  return [time.sec, time.nsec]
}
