import { freeBytes } from '@agentfs/contracts'
import {
  FOPEN_DIRECT_IO,
  FOPEN_KEEP_CACHE,
  FOPEN_NOFLUSH,
  type EmptyReply,
  type FuseHandlers,
  type ReadRequest,
  type DataReply,
} from '@agentfs/fuse'
import { withoutSetId } from './attribute-handlers.js'
import { nameOf, type MountCore } from './core.js'
import type { FileHandle } from './handles.js'

const O_ACCMODE = 0o3
const O_TRUNC = 0o1000
const O_APPEND = 0o2000
const O_EXCL = 0o200
const FALLOC_FL_KEEP_SIZE = 1
const FALLOC_FL_PUNCH_HOLE = 2
const FALLOC_FL_ZERO_RANGE = 16
const SEEK_DATA = 3

/** Operations on open files: create, open, read, write, flush, fsync, release, fallocate, lseek. */
export function contentHandlers(core: MountCore): FuseHandlers {
  const { store, handles, virtual } = core

  const openFile = (ino: number, flags: number): { fh: number; openFlags: number } => {
    store.open(ino)
    const writable = (flags & O_ACCMODE) !== 0
    const handle: FileHandle = { kind: 'file', ino, append: (flags & O_APPEND) !== 0, writable }
    // The kernel may keep its pages: every remote change is told to it before it counts as delivered [SY-17].
    // What was written is journaled by then: only a close that waits for the service has something to ask [DUR-3].
    const flushed = writable && core.view.waitForService
    return { fh: handles.add(handle), openFlags: FOPEN_KEEP_CACHE | (flushed ? 0 : FOPEN_NOFLUSH) }
  }

  /** What a write by somebody without privileges does to the mode [FS-1]. */
  const clearSetId = (ino: number): void => {
    const { mode } = store.attributes(ino)
    if (withoutSetId(mode) !== mode) store.setAttributes(ino, { mode: withoutSetId(mode) })
  }

  /** What O_TRUNC does to a file that is there. */
  const cutToNothing = (ino: number, killSuidgid: boolean): void => {
    store.truncate(ino, 0)
    core.backPressure.cutToNothing(ino)
    if (killSuidgid) clearSetId(ino)
  }

  const read = (request: ReadRequest, reply: DataReply): void => {
    core.answer(reply, () => {
      const handle = handles.get(request.fh)
      if (handle?.kind === 'virtual') {
        reply.data(handle.file.read(request.offset, request.size))
        return
      }
      const ino = handle?.kind === 'file' ? handle.ino : request.nodeid
      const outcome = store.read(ino, request.offset, request.size)
      if (outcome.kind === 'bytes') {
        reply.data(outcome.bytes)
        freeBytes(outcome.bytes)
      } else core.parking.parkRead(outcome.blocks, reply, () => read(request, reply))
    })
  }

  /** Answers at once, or with `--durability=server` when the service has answered for the file. */
  const settle = (ino: number, reply: EmptyReply): void => {
    const through = core.view.waitForService ? store.journaledThrough(ino) : 0
    if (through === 0) reply.ok()
    // A refused credential pushes nothing any more: the answer waited for would never come [SY-1].
    else if (core.closed) reply.error('EACCES')
    else core.parking.parkClose(through, store.nodeId(ino), reply, () => void reply.ok())
  }

  return {
    create(request, reply) {
      core.change(reply, () => {
        const name = nameOf(request.name)
        if (virtual.owns(request.nodeid)) return void reply.error('EACCES')
        const exclusive = (request.flags & O_EXCL) !== 0
        const standing = exclusive ? undefined : store.lookup(request.nodeid, name)
        const attributes =
          standing ??
          store.create(request.nodeid, name, {
            kind: 'file',
            mode: request.mode & 0o7777,
            uid: request.uid,
            gid: request.gid,
            ...(exclusive ? { exclusive } : {}),
          })
        if (standing !== undefined && (request.flags & O_TRUNC) !== 0)
          cutToNothing(standing.ino, request.killSuidgid)
        const { fh, openFlags } = openFile(attributes.ino, request.flags)
        reply.created(core.entry(store.attributes(attributes.ino)), fh, openFlags)
      })
    },

    open(request, reply) {
      core.answer(reply, () => {
        const writable = (request.flags & O_ACCMODE) !== 0
        if (virtual.owns(request.nodeid)) {
          const file = virtual.open(request.nodeid)
          if (writable) reply.error('EACCES')
          else if (file === undefined) reply.error('ESTALE')
          else reply.opened(handles.add({ kind: 'virtual', file }), FOPEN_DIRECT_IO | FOPEN_NOFLUSH)
          return
        }
        const refusal = writable ? core.changeRefusal : undefined
        if (refusal !== undefined) return void reply.error(refusal)
        if ((request.flags & O_TRUNC) !== 0 && writable) cutToNothing(request.nodeid, request.killSuidgid)
        const { fh, openFlags } = openFile(request.nodeid, request.flags)
        reply.opened(fh, openFlags)
      })
    },

    read,

    write(request, reply) {
      // What a program wrote into a mapping before the mount was left reaches us only now: refused, it would be lost unseen.
      const { fromPageCache } = request
      const change = fromPageCache ? core.answer.bind(core) : core.change.bind(core)
      change(reply, () => {
        const handle = handles.get(request.fh)
        if (handle?.kind === 'virtual') return void reply.error('EACCES')
        const ino = handle?.kind === 'file' ? handle.ino : request.nodeid
        const append = handle?.kind === 'file' && handle.append && !fromPageCache
        const { offset, killSuidgid } = request
        const write = (data: Uint8Array): void => {
          // First, as the kernel has it: who is told that a write failed must not find it written.
          if (killSuidgid) clearSetId(ino)
          store.write(ino, offset, data, append ? { append } : {})
          reply.written(data.length)
        }
        if (core.backPressure.mustWait(request.data.length)) {
          // The session reads the next request into the same memory.
          const data = Buffer.from(request.data)
          core.backPressure.wait({ ino, reply, bytes: data.length, fromPageCache, write: () => write(data) })
        } else write(request.data)
      })
    },

    flush(request, reply) {
      core.answer(reply, () => {
        const handle = handles.get(request.fh)
        if (handle?.kind === 'file' && handle.writable) settle(handle.ino, reply)
        else reply.ok()
      })
    },

    fsync(request, reply) {
      core.answer(reply, () => {
        const handle = handles.get(request.fh)
        if (handle?.kind !== 'file') return void reply.ok()
        store.fsync(handle.ino)
        settle(handle.ino, reply)
      })
    },

    fsyncdir({ nodeid }, reply) {
      core.answer(reply, () => {
        if (virtual.owns(nodeid)) return void reply.ok()
        store.fsync(nodeid)
        settle(nodeid, reply)
      })
    },

    syncfs(_request, reply) {
      core.answer(reply, () => {
        store.syncToDisk()
        reply.ok()
      })
    },

    release(request, reply) {
      core.answer(reply, () => {
        const handle = handles.remove(request.fh)
        if (handle?.kind === 'file') core.notify(store.release(handle.ino))
        reply.ok()
      })
    },

    fallocate(request, reply) {
      core.change(reply, () => {
        const handle = handles.get(request.fh)
        if (handle?.kind !== 'file') return void reply.error('EBADF')
        const { mode, offset, length } = request
        const keepsSize = (mode & FALLOC_FL_KEEP_SIZE) !== 0
        const makesZeros = (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) !== 0
        if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) !== 0) {
          return void reply.error('EOPNOTSUPP')
        }
        if (makesZeros) store.punchHole(handle.ino, offset, length)
        // Room is not set aside, zeros cost none: growing is all that is left to do.
        const end = offset + length
        if (!keepsSize && store.attributes(handle.ino).size < end) store.truncate(handle.ino, end)
        reply.ok()
      })
    },

    lseek(request, reply) {
      core.answer(reply, () => {
        const handle = handles.get(request.fh)
        if (handle?.kind !== 'file') return void reply.error('EINVAL')
        const found = store.seek(handle.ino, request.offset, request.whence === SEEK_DATA ? 'data' : 'hole')
        if (found === undefined) reply.error('ENXIO')
        else reply.offset(found)
      })
    },
  }
}
