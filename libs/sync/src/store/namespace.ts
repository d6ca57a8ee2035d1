import {
  AgentfsError,
  NAME_BYTES_MAX,
  nameBytes,
  nameFault,
  uuidv7,
  type Name,
  type NodeImage,
} from '@agentfs/contracts'
import { isWithin } from '@agentfs/tree'
import { appendEntries, assertRoom, ENTRY_COST_BYTES } from './append-entry.js'
import { attributesOf } from './attributes.js'
import { journalSaveByRename, journalSaveByUnlink, savesByRename, savesByUnlink } from './save-by-rename.js'
import { StoreError } from './store-error.js'
import type { StoreState } from './store-state.js'
import type { AttributeChange, Attributes, NewNode, RenameFlags } from './store-types.js'

/** The longest symlink target, as the wire takes it. */
const TARGET_LENGTH_MAX = 4_096
const S_ISGID = 0o2000

/** A new empty file or directory. */
export function createNode(state: StoreState, parentIno: number, name: Name, node: NewNode): Attributes {
  const parent = directoryOf(state, parentIno)
  assertFree(state, parent, name)
  assertRoom(state, ENTRY_COST_BYTES)
  const id = uuidv7()
  const time = state.now()
  const { kind, uid, exclusive } = node
  const common = {
    op: 'create',
    node: id,
    kind,
    parent: parent.id,
    name,
    ...inherited(parent, node),
    uid,
    mtime: time,
  } as const
  const operation = exclusive === true ? { ...common, exclusive } : common
  appendEntries(state, [{ operation, parent: parent.id, time, ino: state.inodes.allocate() }])
  if (kind === 'file') noteCreated(state, id)
  return attributesOf(state, state.inoOf(id))
}

/** A new symlink. */
export function createSymlink(
  state: StoreState,
  parentIno: number,
  name: Name,
  target: Name,
  owner: { uid: number; gid: number },
): Attributes {
  const parent = directoryOf(state, parentIno)
  assertFree(state, parent, name)
  if (target.length === 0 || target.length > TARGET_LENGTH_MAX) {
    throw new AgentfsError('invalid_request', {
      detail: `a symlink's target has 1 to ${TARGET_LENGTH_MAX} characters`,
    })
  }
  assertRoom(state, ENTRY_COST_BYTES + target.length)
  const id = uuidv7()
  const time = state.now()
  const { uid } = owner
  const { gid } = inherited(parent, { ...owner, kind: 'symlink', mode: 0o777 })
  const operation = {
    op: 'symlink',
    node: id,
    parent: parent.id,
    name,
    target,
    mode: 0o777,
    uid,
    gid,
    mtime: time,
  } as const
  appendEntries(state, [{ operation, parent: parent.id, time, ino: state.inodes.allocate() }])
  return attributesOf(state, state.inoOf(id))
}

/** What a new node takes from a directory with the set-group-ID bit: its group, and a directory the bit too [FS-1]. */
function inherited(
  parent: NodeImage,
  { kind, mode, gid }: { readonly kind: NodeImage['kind']; readonly mode: number; readonly gid: number },
): { mode: number; gid: number } {
  if ((parent.mode & S_ISGID) === 0) return { mode, gid }
  return { mode: kind === 'directory' ? mode | S_ISGID : mode, gid: parent.gid }
}

/** One more name of a file. */
export function linkNode(state: StoreState, ino: number, parentIno: number, name: Name): Attributes {
  const node = state.nodeOf(ino)
  if (node.kind === 'directory')
    throw new AgentfsError('is_directory', { detail: 'a directory has one name only' })
  const parent = directoryOf(state, parentIno)
  assertFree(state, parent, name)
  assertRoom(state, ENTRY_COST_BYTES)
  const operation = { op: 'link', node: node.id, parent: parent.id, name } as const
  appendEntries(state, [{ operation, parent: parent.id, time: state.now() }])
  return attributesOf(state, ino)
}

/** Removes a name of a file or symlink. */
export function unlinkName(state: StoreState, parentIno: number, name: Name): void {
  const parent = directoryOf(state, parentIno)
  const node = entryNode(state, parent, name)
  if (node.kind === 'directory')
    throw new AgentfsError('is_directory', { detail: 'a directory is removed by rmdir' })
  const saved = savesByUnlink(state, node, parent.id, name)
  if (saved !== undefined) {
    journalSaveByUnlink(state, node, parent.id, name, saved)
    return
  }
  const base = node.kind === 'file' ? { base: node.version } : {}
  const operation = { op: 'unlink', node: node.id, parent: parent.id, name, ...base } as const
  const lost = departure(state, node)
  appendEntries(state, [{ operation, parent: parent.id, time: state.now() }])
  lost()
}

/** Removes an empty directory. */
export function removeDirectory(state: StoreState, parentIno: number, name: Name): void {
  const parent = directoryOf(state, parentIno)
  const node = entryNode(state, parent, name)
  if (node.kind !== 'directory')
    throw new AgentfsError('not_a_directory', { detail: 'the name is no directory' })
  if (state.tree.hasChildren(node.id))
    throw new AgentfsError('not_empty', { detail: 'the directory is not empty' })
  const operation = { op: 'rmdir', node: node.id, parent: parent.id, name } as const
  const lost = departure(state, node)
  appendEntries(state, [{ operation, parent: parent.id, time: state.now() }])
  lost()
}

/** renameat2. */
export function renameEntry(
  state: StoreState,
  fromParentIno: number,
  fromName: Name,
  toParentIno: number,
  toName: Name,
  flags: RenameFlags,
): void {
  const fromParent = directoryOf(state, fromParentIno)
  const toParent = directoryOf(state, toParentIno)
  const node = entryNode(state, fromParent, fromName)
  assertName(toName)
  if (node.kind === 'directory' && isWithin(state.tree, toParent.id, node.id)) {
    throw new AgentfsError('invalid_request', { detail: 'a directory cannot move below itself' })
  }
  const targetId = state.tree.entry(toParent.id, toName)
  const target = targetId === undefined ? undefined : state.tree.node(targetId)
  if (target !== undefined && flags === 'noreplace') {
    throw new AgentfsError('already_exists', { detail: 'the new name exists already' })
  }
  if (flags === 'exchange') assertExchangeable(state, fromParent, node, target)
  else if (target !== undefined) {
    // POSIX: two names of one file stay both.
    if (target.id === node.id) return
    assertReplaceable(state, node, target)
  }
  assertRoom(state, ENTRY_COST_BYTES)
  const from = { parent: fromParent.id, name: fromName }
  const to = { parent: toParent.id, name: toName }
  if (flags === 'none' && target !== undefined && savesByRename(state, node, target)) {
    journalSaveByRename(state, node, from, target, to)
    return
  }
  const expected = target?.id ?? null
  const operation = { op: 'rename', node: node.id, from, to, expected, flags } as const
  const lost = target !== undefined && flags === 'none' ? departure(state, target) : undefined
  const [entry] = appendEntries(state, [{ operation, parent: toParent.id, time: state.now() }])
  lost?.()
  if (node.kind === 'file' && entry !== undefined) {
    state.movedAway.set(node.id, { ...from, seq: entry.seq })
    forgetOldest(state.movedAway, REMEMBERED_MAX)
  }
}

/** Changes mode, owner or modification time. */
export function changeAttributes(state: StoreState, ino: number, change: AttributeChange): Attributes {
  const orphan = state.handles.orphan(ino)
  if (orphan !== undefined) {
    orphan.image = { ...orphan.image, ...change, ctime: state.now() }
    return attributesOf(state, ino)
  }
  const node = state.nodeOf(ino)
  assertRoom(state, ENTRY_COST_BYTES)
  const operation = { op: 'setattr', node: node.id, ...change } as const
  appendEntries(state, [{ operation, parent: parentOf(state, node), time: state.now() }])
  return attributesOf(state, ino)
}

/** The live directory of an inode. */
export function directoryOf(state: StoreState, ino: number): NodeImage {
  const node = state.nodeOf(ino)
  if (node.kind !== 'directory')
    throw new AgentfsError('not_a_directory', { detail: 'the inode is no directory' })
  return node
}

/** The directory that orders a node's operations: that of its first name. */
export function parentOf(state: StoreState, node: NodeImage): string {
  return state.tree.entriesOf(node.id)[0]?.parent ?? node.id
}

/** Refuses what is no name: `name_too_long`, else `invalid_path`. */
function assertName(name: Name): void {
  if (nameBytes(name) > NAME_BYTES_MAX) {
    throw new StoreError('name_too_long', `a name has more than ${NAME_BYTES_MAX} bytes`)
  }
  const fault = nameFault(name)
  if (fault !== null) throw new AgentfsError('invalid_path', { detail: fault })
}

/**
 * To be called before a node loses a name, its result after: an open inode whose last name went lives on as an
 * orphan with the content it had, any other is forgotten.
 */
function departure(state: StoreState, node: NodeImage): () => void {
  const ino = state.inodes.of(node.id)
  if (ino === undefined) return () => {}
  const content = node.kind === 'file' && state.handles.isOpen(ino) ? state.contentOf(node) : undefined
  return () => {
    if (state.tree.live(node.id) !== undefined) return
    const image = state.tree.node(node.id) ?? node
    if (content !== undefined) {
      state.handles.makeOrphan(ino, image, { ...content, segments: [...content.segments] })
    }
    state.inodes.drop(ino)
    state.graveyard.add(node.id)
  }
}

function entryNode(state: StoreState, parent: NodeImage, name: Name): NodeImage {
  assertName(name)
  const id = state.tree.entry(parent.id, name)
  const node = id === undefined ? undefined : state.tree.node(id)
  if (node === undefined) throw new AgentfsError('not_found', { detail: 'the name does not exist' })
  return node
}

function assertFree(state: StoreState, parent: NodeImage, name: Name): void {
  assertName(name)
  if (state.tree.entry(parent.id, name) !== undefined) {
    throw new AgentfsError('already_exists', { detail: 'the name exists already' })
  }
}

function assertExchangeable(
  state: StoreState,
  fromParent: NodeImage,
  node: NodeImage,
  target: NodeImage | undefined,
): void {
  if (target === undefined)
    throw new AgentfsError('not_found', { detail: 'there is nothing to exchange with' })
  if (
    target.kind === 'directory' &&
    target.id !== node.id &&
    isWithin(state.tree, fromParent.id, target.id)
  ) {
    throw new AgentfsError('invalid_request', { detail: 'a directory cannot move below itself' })
  }
}

function assertReplaceable(state: StoreState, node: NodeImage, target: NodeImage): void {
  if (target.kind === 'directory') {
    if (node.kind !== 'directory')
      throw new AgentfsError('is_directory', { detail: 'the new name is a directory' })
    if (state.tree.hasChildren(target.id))
      throw new AgentfsError('not_empty', { detail: 'the directory is not empty' })
  } else if (node.kind === 'directory') {
    throw new AgentfsError('not_a_directory', { detail: 'the new name is no directory' })
  }
}

/** How many files are remembered as created here or moved away; forgetting one costs it no more than its identity. */
const REMEMBERED_MAX = 10_000

function noteCreated(state: StoreState, id: string): void {
  state.createdHere.add(id)
  forgetOldest(state.createdHere, REMEMBERED_MAX)
}

function forgetOldest(known: Set<string> | Map<string, unknown>, max: number): void {
  if (known.size <= max) return
  for (const oldest of known.keys()) {
    known.delete(oldest)
    return
  }
}
