import type { Name, NodeImage, TreeDelta } from '@agentfs/contracts'
import type { EntryKey } from '@agentfs/tree'
import { copyContent, type FileContent } from './file-content.js'
import type { StoreState } from './store-state.js'
import type { Invalidation } from './store-types.js'

interface Shown {
  readonly image: NodeImage
  readonly ino: number | undefined
  readonly content: FileContent | undefined
}

/**
 * Changes the confirmed tree and takes entries out of the journal, lays what is left of the journal over it again, and
 * answers what the kernel must forget: exactly where what was shown and what is shown differ.
 */
export function changeView(
  state: StoreState,
  delta: TreeDelta,
  removed: readonly number[],
  contentChanged: ReadonlySet<string> = new Set(),
): Invalidation[] {
  const { tree } = state
  const direct =
    removed.length === 0 && !tree.overlaps(delta) && !(state.journal.size > 0 && movesDirectory(delta))
  const nodes = new Set(delta.nodes.map(({ id }) => id))
  const entries = new Map<string, EntryKey>()
  noteEntries(entries, delta.entries)
  if (!direct) noteTouch(state, nodes, entries)
  const nodesBefore = captureNodes(state, nodes)
  const entriesBefore = captureEntries(state, entries.values())
  if (!direct) tree.rollBack()
  tree.applyConfirmed(delta)
  for (const node of delta.nodes) {
    if (node.deleted === true) state.graveyard.add(node.id)
    else state.inodes.assign(node.id)
  }
  if (!direct) {
    for (const seq of removed) state.journal.remove(seq)
    state.contents.clear()
    // What replay touches anew had its confirmed value before: read it before the journal lies over it.
    const known = new Set(nodes)
    state.replayJournal()
    const late = new Set<string>()
    const lateEntries = new Map<string, EntryKey>()
    noteTouch(state, late, lateEntries)
    for (const id of late) {
      if (known.has(id)) continue
      const image = tree.confirmedNode(id)
      nodes.add(id)
      if (image !== undefined) nodesBefore.set(id, { image, ino: state.inodes.of(id), content: undefined })
    }
    for (const [key, at] of lateEntries) {
      if (entries.has(key)) continue
      entries.set(key, at)
      const id = tree.confirmedEntry(at.parent, at.name)
      entriesBefore.set(key, id === undefined ? undefined : state.inodes.of(id))
    }
  }
  const invalidations = [
    ...nodeChanges(state, nodes, nodesBefore, contentChanged),
    ...entryChanges(state, entries, entriesBefore),
  ]
  buryDeleted(state)
  return state.handles.defer(unique(invalidations))
}

/**
 * The view after a push of which every operation was applied as it was shown: nothing changes for the kernel [SY-18], and
 * nothing need be replayed. False, with nothing done, where that cannot be told.
 */
export function confirmView(state: StoreState, delta: TreeDelta): boolean {
  if (!state.tree.confirm(delta, (id) => state.journal.mentions(id))) return false
  for (const { id, deleted } of delta.nodes) if (deleted === true) state.graveyard.add(id)
  // Contents are rebuilt from what is left: the pieces below them became blocks of confirmed versions.
  state.contents.clear()
  buryDeleted(state)
  return true
}

/** Forgets deleted nodes that neither journal nor tree need. */
function buryDeleted(state: StoreState): void {
  for (const id of state.graveyard) {
    if (state.tree.live(id) !== undefined) state.graveyard.delete(id)
    else if (!state.journal.mentions(id)) {
      state.tree.forget(id)
      state.graveyard.delete(id)
    }
  }
}

function movesDirectory(delta: TreeDelta): boolean {
  const moved = new Set(delta.entries.map(({ node }) => node))
  return delta.nodes.some(({ id, kind }) => kind === 'directory' && moved.has(id))
}

function noteTouch(state: StoreState, nodes: Set<string>, entries: Map<string, EntryKey>): void {
  const touch = state.tree.localTouch()
  for (const id of touch.nodes) nodes.add(id)
  noteEntries(entries, touch.entries)
}

function noteEntries(entries: Map<string, EntryKey>, keys: Iterable<{ parent: string; name: Name }>): void {
  for (const { parent, name } of keys) entries.set(`${parent}/${name}`, { parent, name })
}

function captureNodes(state: StoreState, ids: Iterable<string>): Map<string, Shown> {
  const shown = new Map<string, Shown>()
  for (const id of ids) {
    const image = state.tree.node(id)
    if (image === undefined || image.deleted === true) continue
    const ino = state.inodes.of(id)
    // Open files may lose their node: what they show then is what they showed before.
    const open = ino !== undefined && image.kind === 'file' && state.handles.isOpen(ino)
    shown.set(id, { image, ino, content: open ? copyContent(state.contentOf(image)) : undefined })
  }
  return shown
}

function captureEntries(state: StoreState, keys: Iterable<EntryKey>): Map<string, number | undefined> {
  const shown = new Map<string, number | undefined>()
  for (const { parent, name } of keys) shown.set(`${parent}/${name}`, inoAt(state, parent, name))
  return shown
}

function inoAt(state: StoreState, parent: string, name: Name): number | undefined {
  const id = state.tree.entry(parent, name)
  return id === undefined ? undefined : state.inodes.of(id)
}

function nodeChanges(
  state: StoreState,
  ids: Iterable<string>,
  before: ReadonlyMap<string, Shown>,
  contentChanged: ReadonlySet<string>,
): Invalidation[] {
  const changes: Invalidation[] = []
  for (const id of ids) {
    const shown = before.get(id)
    if (shown?.ino === undefined) continue
    const now = state.tree.live(id)
    if (now === undefined) {
      depart(state, id, shown.ino, shown)
      changes.push({ kind: 'attributes', ino: shown.ino })
    } else if (now.version !== shown.image.version || contentChanged.has(id)) {
      changes.push({ kind: 'content', ino: shown.ino })
    } else if (differs(now, shown.image)) changes.push({ kind: 'attributes', ino: shown.ino })
  }
  return changes
}

function depart(state: StoreState, id: string, ino: number, { image, content }: Shown): void {
  if (content !== undefined) state.handles.makeOrphan(ino, image, content)
  if (state.inodes.node(ino) === id) state.inodes.drop(ino)
}

function differs(one: NodeImage, other: NodeImage): boolean {
  return (
    one.mode !== other.mode ||
    one.uid !== other.uid ||
    one.gid !== other.gid ||
    one.size !== other.size ||
    one.links !== other.links ||
    one.mtime[0] !== other.mtime[0] ||
    one.mtime[1] !== other.mtime[1] ||
    one.ctime[0] !== other.ctime[0] ||
    one.ctime[1] !== other.ctime[1]
  )
}

function entryChanges(
  state: StoreState,
  keys: ReadonlyMap<string, EntryKey>,
  before: ReadonlyMap<string, number | undefined>,
): Invalidation[] {
  const changes: Invalidation[] = []
  for (const [key, { parent, name }] of keys) {
    const now = inoAt(state, parent, name)
    if (now === before.get(key)) continue
    const parentIno = state.inodes.of(parent)
    if (parentIno === undefined) continue
    changes.push({ kind: 'entry', parentIno, name }, { kind: 'content', ino: parentIno })
  }
  return changes
}

function unique(changes: readonly Invalidation[]): Invalidation[] {
  const seen = new Map<string, Invalidation>()
  for (const change of changes) {
    seen.set(
      change.kind === 'entry' ? `e${change.parentIno}/${change.name}` : `${change.kind}${change.ino}`,
      change,
    )
  }
  return [...seen.values()].filter((it) => it.kind !== 'attributes' || !seen.has(`content${it.ino}`))
}
