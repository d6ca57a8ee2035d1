import type { Operation } from '@agentfs/contracts'
import { applyAttributes, applyLink } from './attributes.js'
import type { ContentOperation } from './content.js'
import { applyCreate } from './create.js'
import type { Overlay } from './overlay.js'
import type { ApplyContext, Outcome } from './outcome.js'
import { applyRmdir, applyUnlink } from './remove.js'
import { applyRename } from './rename.js'

/** Operations that make no version. */
export type StructureOperation = Exclude<Operation, ContentOperation>

/** True for operations that make a version. */
export function isContentOperation(operation: Operation): operation is ContentOperation {
  return ['write', 'append', 'truncate', 'replace'].includes(operation.op)
}

/**
 * Applies an operation that makes no version. Throws a Refusal and may then have left changes behind: apply to an
 * Overlay of its own and absorb its delta on success.
 */
export function applyStructure(tree: Overlay, operation: StructureOperation, context: ApplyContext): Outcome {
  switch (operation.op) {
    case 'create':
    case 'symlink':
      return applyCreate(tree, operation, context)
    case 'rename':
      return applyRename(tree, operation, context)
    case 'link':
      return applyLink(tree, operation, context)
    case 'unlink':
      return applyUnlink(tree, operation, context)
    case 'rmdir':
      return applyRmdir(tree, operation, context)
    case 'setattr':
    case 'setxattr':
    case 'removexattr':
      return applyAttributes(tree, operation, context)
  }
}
