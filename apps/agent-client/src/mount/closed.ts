import type { FuseHandlers, FuseReply } from '@agentfs/fuse'
import { nameOf, type MountCore } from './core.js'
import { VIRTUAL_NAME } from './virtual-files.js'

/** What goes on in a closed mount: what ends things, and what looks at no file. */
const HARMLESS: ReadonlySet<string> = new Set([
  'init',
  'destroy',
  'forget',
  'flush',
  'release',
  'releasedir',
  'statfs',
])

/** The fields of a request that this looks at. */
interface Asked {
  readonly nodeid: number
  readonly name?: Uint8Array
}

/**
 * Handlers that answer `EACCES` to everything outside `.agentfs/` while the credential is refused [SY-1]. The way there stays
 * open: the root's attributes, and that one name in it.
 */
export function closable(core: MountCore, rootIno: number, handlers: FuseHandlers): FuseHandlers {
  const staysOpen = (operation: string, { nodeid, name }: Asked): boolean => {
    if (core.virtual.owns(nodeid)) return true
    if (nodeid !== rootIno) return false
    if (operation === 'getattr') return true
    return operation === 'lookup' && name !== undefined && nameOf(name) === VIRTUAL_NAME
  }
  const guarded = Object.entries(handlers).map(([operation, handler]): [string, unknown] => [
    operation,
    HARMLESS.has(operation)
      ? handler
      : (request: Asked, reply: FuseReply) => {
          if (core.closed && !staysOpen(operation, request)) reply.error('EACCES')
          // Every handler takes a request and a reply; which ones, the operation's name says.
          else (handler as (request: unknown, reply: unknown) => void)(request, reply)
        },
  ])
  return Object.fromEntries(guarded) as FuseHandlers
}
