import {
  nameFault,
  type NodeImage,
  type OperationOf,
  XATTRS_BYTES_MAX,
  xattrsBytes,
} from '@agentfs/contracts'
import type { Overlay } from './overlay.js'
import { applied, Refusal, type ApplyContext, type Outcome } from './outcome.js'
import { directoryAt, touch } from './place.js'

/** setattr, setxattr, removexattr: the last writer wins. */
export function applyAttributes(
  tree: Overlay,
  operation: OperationOf<'setattr'> | OperationOf<'setxattr'> | OperationOf<'removexattr'>,
  context: ApplyContext,
): Outcome {
  const node = tree.node(tree.resolve(operation.node))
  if (node === undefined) throw new Refusal('not_found', 'the node does not exist')
  const changes = operation.op === 'setattr' ? setattr(operation) : xattrs(node, operation)
  tree.putNode({ ...node, ...changes, ctime: context.time, seq: context.seq })
  return applied({ action: 'attributes.set', node: node.id })
}

function setattr(operation: OperationOf<'setattr'>): Partial<NodeImage> {
  return {
    ...(operation.mode === undefined ? {} : { mode: operation.mode }),
    ...(operation.uid === undefined ? {} : { uid: operation.uid }),
    ...(operation.gid === undefined ? {} : { gid: operation.gid }),
    ...(operation.mtime === undefined ? {} : { mtime: operation.mtime }),
  }
}

function xattrs(
  node: NodeImage,
  operation: OperationOf<'setxattr'> | OperationOf<'removexattr'>,
): Partial<NodeImage> {
  const { [operation.name]: _removed, ...others } = node.xattrs ?? {}
  if (operation.op === 'removexattr') return { xattrs: others }
  const all = { ...others, [operation.name]: operation.value }
  if (xattrsBytes(all) > XATTRS_BYTES_MAX) {
    throw new Refusal(
      'too_large',
      `extended attributes of one node have at most ${XATTRS_BYTES_MAX} bytes together`,
    )
  }
  return { xattrs: all }
}

/** link: one more name of a file. */
export function applyLink(tree: Overlay, operation: OperationOf<'link'>, context: ApplyContext): Outcome {
  const fault = nameFault(operation.name)
  if (fault !== null) throw new Refusal('invalid_path', fault)
  const node = tree.node(tree.resolve(operation.node))
  if (node === undefined || node.deleted === true) throw new Refusal('not_found', 'the node does not exist')
  if (node.kind === 'directory') throw new Refusal('is_directory', 'a directory has one name only')
  const parent = directoryAt(tree, operation.parent, context)
  const standing = tree.entry(parent.id, operation.name)
  if (standing === node.id) return applied()
  if (standing !== undefined) throw new Refusal('already_exists', 'the name exists already')
  tree.putEntry(parent.id, operation.name, node.id)
  tree.putNode({ ...node, links: node.links + 1, ctime: context.time, seq: context.seq })
  touch(tree, parent.id, context)
  return applied({ action: 'link.create', node: node.id })
}
