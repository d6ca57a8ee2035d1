import type { NodeImage, OperationOf, VersionImage } from '@agentfs/contracts'
import type { Overlay } from './overlay.js'
import { Refusal, type ApplyContext, type Effect, type Outcome } from './outcome.js'
import { directoryAt, freeName, removeEntry, revive, touch } from './place.js'
import type { TreeReader } from './reader.js'

/** Operations that make a version. */
export type ContentOperation =
  OperationOf<'write'> | OperationOf<'append'> | OperationOf<'truncate'> | OperationOf<'replace'>

/**
 * What an operation's content stands on, given the tree as it is: the caller builds the version for exactly this,
 * and plans again under the lock; where the plan differs, the content is built anew.
 * `edit`: the base is the head. `append`: onto whatever the head is. `keep-both`: the head is newer than the base,
 * so the writer's content becomes a new node beside it [CON-3].
 */
export type ContentPlan =
  | { readonly kind: 'edit' | 'append' | 'keep-both'; readonly node: string; readonly head: string | null }
  | { readonly kind: 'unchanged'; readonly node: string; readonly head: string }

/** Where the version of a content operation goes. Throws a Refusal where it can go nowhere. */
export function planContent(tree: TreeReader, operation: ContentOperation): ContentPlan {
  const id = tree.resolve(operation.op === 'replace' ? operation.target : operation.node)
  const node = tree.node(id)
  if (node === undefined) throw new Refusal('not_found', 'the file does not exist')
  if (node.kind === 'directory') throw new Refusal('is_directory', 'a directory has no content')
  if (node.kind === 'symlink') throw new Refusal('invalid_request', 'a symlink has no content')
  if (operation.op === 'replace') assertReplaceSource(tree, operation)
  if (operation.op === 'append') return { kind: 'append', node: id, head: node.version }
  return { kind: operation.base === node.version ? 'edit' : 'keep-both', node: id, head: node.version }
}

/** Only a file with one name can be saved by rename: a directory would take what is in it along [SY-11]. */
function assertReplaceSource(tree: TreeReader, operation: OperationOf<'replace'>): void {
  const source = tree.node(tree.resolve(operation.source))
  if (source === undefined) return
  if (source.kind !== 'file') throw new Refusal('invalid_request', 'only a file can replace a file')
  if (source.links > 1)
    throw new Refusal('invalid_request', 'a file with several names cannot replace another')
}

/** What was built for a plan. */
export interface BuiltContent {
  /** Without its number where the plan is `edit` or `append`: that is the node's next. */
  readonly version: Omit<VersionImage, 'node' | 'number'>
  /** The id of the new node, for `keep-both`. */
  readonly copy?: string
}

/** The number the next version of a node gets. */
export function nextNumber(node: NodeImage | undefined): number {
  return (node?.number ?? 0) + 1
}

/** Makes a built version part of the tree, as planned. */
export function applyContent(
  tree: Overlay,
  operation: ContentOperation,
  plan: ContentPlan,
  built: BuiltContent,
  context: ApplyContext,
): Outcome {
  const standing = tree.node(plan.node)
  if (standing === undefined) throw new Refusal('not_found', 'the file does not exist')
  if (plan.kind === 'keep-both') return keepBoth(tree, operation, standing, built, context)
  const node = revive(tree, standing, context)
  const image = withVersion(node, operation, built, context)
  tree.putNode(image)
  tree.putVersion({ ...built.version, node: node.id, number: image.number })
  const effects: Effect[] = [
    {
      action: operation.op === 'append' ? 'file.append' : 'file.write',
      node: node.id,
      version: built.version.id,
      ...(node.version === null ? {} : { previous: node.version }),
    },
  ]
  if (operation.op === 'replace') settleReplace(tree, operation, node.id, context)
  return { result: { status: 'applied' }, effects }
}

function withVersion(
  node: NodeImage,
  operation: ContentOperation,
  built: BuiltContent,
  context: ApplyContext,
): NodeImage {
  const attributes =
    operation.op === 'replace'
      ? {
          ...(operation.mode === undefined ? {} : { mode: operation.mode }),
          ...(operation.uid === undefined ? {} : { uid: operation.uid }),
          ...(operation.gid === undefined ? {} : { gid: operation.gid }),
        }
      : {}
  return {
    ...node,
    ...attributes,
    version: built.version.id,
    number: nextNumber(node),
    size: built.version.size,
    mtime: operation.mtime ?? context.time,
    ctime: context.time,
    modifiedAt: context.at,
    modifiedBy: context.author,
    seq: context.seq,
  }
}

/** The source of a save by rename: its name goes, its id becomes an alias of the target [SY-11]. */
function settleReplace(
  tree: Overlay,
  operation: OperationOf<'replace'>,
  target: string,
  context: ApplyContext,
): void {
  const sourceId = tree.resolve(operation.source)
  const source = tree.node(sourceId)
  if (source !== undefined && source.deleted !== true && sourceId !== target) {
    const entry = tree.entriesOf(sourceId)[0]
    if (entry !== undefined) removeEntry(tree, entry.parent, entry.name, source, context)
  }
  if (operation.source !== target) tree.putAlias(operation.source, target)
}

function keepBoth(
  tree: Overlay,
  operation: ContentOperation,
  standing: NodeImage,
  built: BuiltContent,
  context: ApplyContext,
): Outcome {
  if (built.copy === undefined) throw new Error('a conflict copy was built without an id')
  const place = tree.entriesOf(standing.id)[0] ?? standing.lastEntry
  if (place === undefined) throw new Refusal('not_found', 'the file was deleted')
  const parent = directoryAt(tree, place.parent, context)
  const name = freeName(tree, parent.id, place.name, context)
  const { deleted: _deleted, lastEntry: _lastEntry, xattrs: _xattrs, ...rest } = standing
  const image = withVersion(
    { ...rest, id: built.copy, links: 1, number: 0, version: null, createdAt: context.at },
    operation,
    built,
    context,
  )
  tree.putNode(image)
  tree.putEntry(parent.id, name, image.id)
  touch(tree, parent.id, context)
  tree.putVersion({ ...built.version, node: image.id, number: image.number })
  if (operation.op === 'replace') {
    const source = tree.node(tree.resolve(operation.source))
    const entry = source === undefined ? undefined : tree.entriesOf(source.id)[0]
    if (source !== undefined && entry !== undefined && source.id !== standing.id) {
      removeEntry(tree, entry.parent, entry.name, source, context)
    }
    tree.putAlias(operation.source, image.id)
  }
  return {
    result: { status: 'conflict-copy', node: image.id, name, version: built.version.id },
    effects: [{ action: 'file.conflict', node: image.id, version: built.version.id }],
  }
}
