import { nameFault, type NodeImage, type OperationOf } from '@agentfs/contracts'
import { isWithin } from './ancestry.js'
import type { Overlay } from './overlay.js'
import { applied, Refusal, type ApplyContext, type Effect, type Outcome } from './outcome.js'
import { directoryAt, freeName, removeEntry, touch } from './place.js'
import type { EntryKey } from './reader.js'

/** rename: of the node, wherever it is by now; of two renames the later wins [CON-5]. */
export function applyRename(tree: Overlay, operation: OperationOf<'rename'>, context: ApplyContext): Outcome {
  const fault = nameFault(operation.to.name)
  if (fault !== null) throw new Refusal('invalid_path', fault)
  const node = tree.node(tree.resolve(operation.node))
  if (node === undefined || node.deleted === true) throw new Refusal('not_found', 'the node was deleted')
  const source = sourceEntry(tree, operation, node.id)
  const parent = directoryAt(tree, operation.to.parent, context)
  if (node.kind === 'directory' && isWithin(tree, parent.id, node.id)) {
    throw new Refusal('invalid_request', 'a directory cannot move below itself')
  }
  const standing = tree.entry(parent.id, operation.to.name)
  if (standing === node.id) {
    return source.parent === parent.id && source.name === operation.to.name
      ? applied()
      : moved(tree, node, source, { parent: parent.id, name: operation.to.name }, context)
  }
  if (operation.flags === 'exchange') return exchange(tree, node, source, parent.id, operation, context)
  const destination = { parent: parent.id, name: operation.to.name }
  const target = standing === undefined ? undefined : tree.node(standing)
  if (target === undefined) return moved(tree, node, source, destination, context)
  if (operation.flags === 'noreplace') throw new Refusal('already_exists', 'the new name exists already')
  const expected = operation.expected === null ? null : tree.resolve(operation.expected)
  if (expected !== target.id) {
    // The writer did not see what stands there now: both stay.
    const name = freeName(tree, parent.id, operation.to.name, context)
    const { effects } = moved(tree, node, source, { parent: parent.id, name }, context)
    return {
      result: { status: 'conflict-copy', node: node.id, name, version: node.version ?? node.id },
      effects,
    }
  }
  assertReplaceable(tree, node, target)
  removeEntry(tree, parent.id, operation.to.name, target, context)
  const { effects } = moved(tree, node, source, destination, context)
  return applied(
    { action: target.kind === 'directory' ? 'directory.delete' : 'file.delete', node: target.id },
    ...effects,
  )
}

function sourceEntry(tree: Overlay, operation: OperationOf<'rename'>, id: string): EntryKey {
  const parent = tree.resolve(operation.from.parent)
  if (tree.entry(parent, operation.from.name) === id) return { parent, name: operation.from.name }
  const entries = tree.entriesOf(id)
  if (entries.length === 1 && entries[0] !== undefined) return entries[0]
  throw new Refusal(entries.length === 0 ? 'invalid_request' : 'not_found', 'the old name is gone')
}

function moved(tree: Overlay, node: NodeImage, from: EntryKey, to: EntryKey, context: ApplyContext): Outcome {
  tree.putEntry(from.parent, from.name, null)
  const hadTo = tree.entry(to.parent, to.name) === node.id
  tree.putEntry(to.parent, to.name, node.id)
  touch(tree, from.parent, context)
  touch(tree, to.parent, context)
  tree.putNode({
    ...node,
    links: hadTo && node.links > 1 ? node.links - 1 : node.links,
    ctime: context.time,
    seq: context.seq,
  })
  const effect: Effect = { action: 'file.move', node: node.id }
  return applied(effect)
}

function exchange(
  tree: Overlay,
  node: NodeImage,
  source: EntryKey,
  parent: string,
  operation: OperationOf<'rename'>,
  context: ApplyContext,
): Outcome {
  const otherId = tree.entry(parent, operation.to.name)
  const other = otherId === undefined ? undefined : tree.node(otherId)
  if (other === undefined) throw new Refusal('not_found', 'there is nothing to exchange with')
  if (other.kind === 'directory' && isWithin(tree, source.parent, other.id)) {
    throw new Refusal('invalid_request', 'a directory cannot move below itself')
  }
  tree.putEntry(source.parent, source.name, other.id)
  tree.putEntry(parent, operation.to.name, node.id)
  for (const image of [node, other]) tree.putNode({ ...image, ctime: context.time, seq: context.seq })
  touch(tree, source.parent, context)
  touch(tree, parent, context)
  return applied({ action: 'file.move', node: node.id }, { action: 'file.move', node: other.id })
}

/** POSIX: a file replaces no directory, a directory only an empty one. */
function assertReplaceable(tree: Overlay, node: NodeImage, target: NodeImage): void {
  if (target.kind === 'directory') {
    if (node.kind !== 'directory') throw new Refusal('is_directory', 'the new name is a directory')
    if (tree.hasChildren(target.id)) throw new Refusal('not_empty', 'the directory is not empty')
  } else if (node.kind === 'directory') {
    throw new Refusal('not_a_directory', 'the new name is not a directory')
  }
}
