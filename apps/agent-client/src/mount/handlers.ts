import type { FuseHandlers } from '@agentfs/fuse'
import { attributeHandlers } from './attribute-handlers.js'
import { closable } from './closed.js'
import { contentHandlers } from './content-handlers.js'
import type { MountCore } from './core.js'
import { directoryHandlers } from './directory-handlers.js'
import { nameHandlers } from './name-handlers.js'
import { xattrHandlers } from './xattr-handlers.js'

/** Every operation of a mount whose root shows the directory `rootIno`. */
export function mountHandlers(core: MountCore, rootIno: number): FuseHandlers {
  return closable(core, rootIno, {
    ...attributeHandlers(core),
    ...nameHandlers(core, rootIno),
    ...contentHandlers(core),
    ...directoryHandlers(core),
    ...xattrHandlers(core),
  })
}
