import type { OperationOf } from '@agentfs/contracts'
import type { Overlay } from './overlay.js'
import { applied, Refusal, type ApplyContext, type Outcome } from './outcome.js'
import { removeEntry } from './place.js'

/** unlink: by node id, so that a rename made apart does not save the file; an edit the deleter had not seen does [CON-5]. */
export function applyUnlink(tree: Overlay, operation: OperationOf<'unlink'>, context: ApplyContext): Outcome {
  const id = tree.resolve(operation.node)
  const node = tree.node(id)
  if (node === undefined || node.deleted === true) return applied()
  if (node.kind === 'directory') throw new Refusal('is_directory', 'a directory is removed by rmdir')
  if (operation.base !== undefined && operation.base !== node.version) {
    throw new Refusal('version_conflict', 'the file was edited after it was deleted here; the edit stays')
  }
  const parent = tree.resolve(operation.parent)
  const named = tree.entry(parent, operation.name) === id
  const elsewhere = tree.entriesOf(id)
  const entry = named ? { parent, name: operation.name } : elsewhere.length === 1 ? elsewhere[0] : undefined
  if (entry === undefined) return applied()
  removeEntry(tree, entry.parent, entry.name, node, context)
  return applied({
    action: 'file.delete',
    node: id,
    ...(node.version === null ? {} : { version: node.version }),
  })
}

/** rmdir: an empty directory goes; what was created inside meanwhile keeps it [CON-5]. */
export function applyRmdir(tree: Overlay, operation: OperationOf<'rmdir'>, context: ApplyContext): Outcome {
  const id = tree.resolve(operation.node)
  const node = tree.node(id)
  if (node === undefined || node.deleted === true) return applied()
  if (node.kind !== 'directory') throw new Refusal('not_a_directory', 'the node is not a directory')
  const entry = tree.entriesOf(id)[0]
  if (entry === undefined) throw new Refusal('invalid_request', 'the root cannot be removed')
  if (tree.hasChildren(id)) throw new Refusal('not_empty', 'the directory is not empty')
  removeEntry(tree, entry.parent, entry.name, node, context)
  return applied({ action: 'directory.delete', node: id })
}
