import type { Operation, TimeSpec, TreeDelta } from '@agentfs/contracts'
import {
  applyContent,
  applyStructure,
  Overlay,
  Refusal,
  type ApplyContext,
  type ContentOperation,
  type TreeReader,
} from '@agentfs/tree'
import { isLocalContent, type JournalEntry, type LocalContent, type LocalOperation } from './journal-entry.js'
import type { InodeTable } from './inode-table.js'
import type { LayeredTree } from './layered-tree.js'

/** What entries are laid over. */
export interface ReplayTarget {
  readonly tree: LayeredTree
  readonly inodes: InodeTable
  context(time: TimeSpec): ApplyContext
}

/**
 * Lays an entry over the tree, as its mutation did when the tree was another. What the tree does not admit any more
 * stays in the journal and is not shown: the service decides about it at the push.
 */
export function replayEntry(state: ReplayTarget, entry: JournalEntry): void {
  let delta: TreeDelta
  try {
    delta = localDelta(state.tree, entry.operation, state.context(entry.time))
  } catch (error) {
    if (error instanceof Refusal) return
    throw error
  }
  state.tree.applyLocal(delta)
  if (entry.ino !== undefined) showInode(state, entry.operation, entry.ino)
}

/** What an operation does to the local tree. Content is always an edit: whose base it was, the service settles. */
export function localDelta(tree: TreeReader, operation: LocalOperation, context: ApplyContext): TreeDelta {
  const overlay = new Overlay(tree)
  if (isLocalContent(operation)) {
    const node = tree.resolve(operation.op === 'replace' ? operation.target : operation.node)
    const plan = { kind: 'edit', node, head: tree.node(node)?.version ?? null } as const
    const version = { id: operation.version, parents: [], size: operation.size, manifestHash: '' }
    applyContent(overlay, treeOperation(operation), plan, { version }, context)
  } else {
    applyStructure(overlay, operation, context)
  }
  return overlay.delta()
}

/** Has the node of a create, or the target of a replace, show the entry's inode number. */
export function showInode(state: ReplayTarget, operation: LocalOperation, ino: number): void {
  const { inodes, tree } = state
  if (operation.op === 'replace') {
    const before = inodes.of(operation.target)
    inodes.set(operation.target, ino)
    if (before !== undefined && before !== ino) inodes.drop(before)
  } else if (operation.op === 'create' || operation.op === 'symlink') {
    inodes.set(operation.node, ino)
    const survivor = tree.resolve(operation.node)
    if (survivor !== operation.node && inodes.of(survivor) === undefined) inodes.set(survivor, ino)
  }
}

/** An operation as the tree's functions take it: content without its bytes. */
export function treeOperation(operation: LocalContent): ContentOperation
export function treeOperation(operation: LocalOperation): Operation
export function treeOperation(operation: LocalOperation): Operation {
  switch (operation.op) {
    case 'write': {
      const { node, base, version, size, mtime } = operation
      return { op: 'write', node, base, version, size, extents: [], mtime }
    }
    case 'append': {
      const { node, version, mtime } = operation
      return { op: 'append', node, version, data: NOTHING, mtime }
    }
    case 'replace': {
      const { source, from, target, to, base, version, sourceVersion, mode, uid, gid, mtime } = operation
      return {
        op: 'replace',
        source,
        from,
        target,
        to,
        base,
        version,
        content: { sourceVersion },
        mode,
        uid,
        gid,
        mtime,
      }
    }
    default:
      return operation
  }
}

const NOTHING = new Uint8Array(0)
