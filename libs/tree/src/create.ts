import { nameFault, type NodeImage, type OperationOf } from '@agentfs/contracts'
import type { Overlay } from './overlay.js'
import { applied, Refusal, type ApplyContext, type Outcome } from './outcome.js'
import { directoryAt, freeName, touch } from './place.js'

/** create and symlink: a new node under a name; what stands there already is unified with, or kept beside [CON-5]. */
export function applyCreate(
  tree: Overlay,
  operation: OperationOf<'create'> | OperationOf<'symlink'>,
  context: ApplyContext,
): Outcome {
  const fault = nameFault(operation.name)
  if (fault !== null) throw new Refusal('invalid_path', fault)
  const made = tree.node(tree.resolve(operation.node))
  if (made !== undefined) {
    // The same creation sent again, of a store that was restored since: it is done already, whatever became of it [SY-8].
    if (unifies(operation, made)) return { result: { status: 'unified', node: made.id }, effects: [] }
    throw new Refusal('already_exists', 'a node of this id exists')
  }
  const parent = directoryAt(tree, operation.parent, context)
  const existingId = tree.entry(parent.id, operation.name)
  const existing = existingId === undefined ? undefined : tree.node(existingId)
  if (existing !== undefined) {
    if (operation.op === 'create' && operation.exclusive === true) {
      throw new Refusal('already_exists', 'the name exists already')
    }
    if (unifies(operation, existing)) {
      tree.putAlias(operation.node, existing.id)
      return { result: { status: 'unified', node: existing.id }, effects: [] }
    }
  }
  const name = freeName(tree, parent.id, operation.name, context)
  tree.putNode(newNode(operation, context))
  tree.putEntry(parent.id, name, operation.node)
  touch(tree, parent.id, context)
  const action =
    operation.op === 'symlink'
      ? 'symlink.create'
      : operation.kind === 'directory'
        ? 'directory.create'
        : 'file.create'
  const effect = { action, node: operation.node } as const
  if (name === operation.name) return applied(effect)
  // No content yet: the copy's version is the id of the node itself until its first write.
  return {
    result: { status: 'conflict-copy', node: operation.node, name, version: operation.node },
    effects: [effect],
  }
}

/** Two creations of one directory are one; so are two of one file (their contents meet at the first write). */
function unifies(operation: OperationOf<'create'> | OperationOf<'symlink'>, existing: NodeImage): boolean {
  if (operation.op === 'symlink') return existing.kind === 'symlink' && existing.target === operation.target
  return existing.kind === operation.kind
}

function newNode(
  operation: OperationOf<'create'> | OperationOf<'symlink'>,
  context: ApplyContext,
): NodeImage {
  const kind = operation.op === 'symlink' ? 'symlink' : operation.kind
  return {
    id: operation.node,
    kind,
    mode: operation.mode ?? (kind === 'file' ? 0o644 : kind === 'directory' ? 0o755 : 0o777),
    uid: operation.uid ?? 0,
    gid: operation.gid ?? 0,
    mtime: operation.mtime ?? context.time,
    ctime: context.time,
    size: operation.op === 'symlink' ? new TextEncoder().encode(operation.target).length : 0,
    version: null,
    number: 0,
    links: 1,
    ...(operation.op === 'symlink' ? { target: operation.target } : {}),
    createdAt: context.at,
    modifiedAt: context.at,
    modifiedBy: context.author,
    seq: context.seq,
  }
}
