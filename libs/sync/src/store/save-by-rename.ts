import { uuidv7, type Name, type NodeImage } from '@agentfs/contracts'
import type { EntryKey } from '@agentfs/tree'
import { appendEntries, type NewEntry } from './append-entry.js'
import type { LocalReplace } from './journal-entry.js'
import type { StoreState } from './store-state.js'

/**
 * True where renaming a file over another is a save of the latter [SY-11]. Not where the latter is the newer one, unknown
 * to the service: its id has no history to keep, the other's has.
 */
export function savesByRename(state: StoreState, source: NodeImage, target: NodeImage): boolean {
  return (
    source.kind === 'file' &&
    target.kind === 'file' &&
    source.links === 1 &&
    target.links === 1 &&
    state.createdHere.has(source.id) &&
    (state.tree.confirmedNode(target.id) !== undefined || state.tree.confirmedNode(source.id) === undefined)
  )
}

/** Journals a save by rename: the target keeps its id, the path shows the source's inode number from now on. */
export function journalSaveByRename(
  state: StoreState,
  source: NodeImage,
  from: EntryKey,
  target: NodeImage,
  to: EntryKey,
): void {
  const replace = replaceEntry(state, source, from, target, to)
  const shownAfter = identityMove(state, source, target)
  appendEntries(state, [replace])
  shownAfter()
}

/**
 * Editors that make a backup first rename `notes.md` away, write a new `notes.md` and unlink the backup. True (with the
 * file that took the place) where unlinking a name ends such a save.
 */
export function savesByUnlink(
  state: StoreState,
  node: NodeImage,
  parent: string,
  name: Name,
): Saved | undefined {
  const away = state.movedAway.get(node.id)
  if (away === undefined || (away.parent === parent && away.name === name)) return undefined
  const sourceId = state.tree.entry(away.parent, away.name)
  const source = sourceId === undefined ? undefined : state.tree.node(sourceId)
  if (source === undefined || !savesByRename(state, source, node)) return undefined
  return { source, place: { parent: away.parent, name: away.name } }
}

/** The file that took a place, and the place. */
export interface Saved {
  readonly source: NodeImage
  readonly place: EntryKey
}

/**
 * Journals the end of such a save: the old file takes the new one's content and goes back to its place. Two operations
 * that hold in any case, also where a push already carried the first steps; folding makes them one where none did.
 */
export function journalSaveByUnlink(
  state: StoreState,
  node: NodeImage,
  parent: string,
  name: Name,
  { source, place }: Saved,
): void {
  const backup = { parent, name }
  const replace = replaceEntry(state, source, place, node, backup)
  const shownAfter = identityMove(state, source, node)
  const back: NewEntry = {
    operation: { op: 'rename', node: node.id, from: backup, to: place, expected: null, flags: 'none' },
    parent: place.parent,
    time: replace.time,
  }
  appendEntries(state, [replace, back])
  state.movedAway.delete(node.id)
  shownAfter()
}

function replaceEntry(
  state: StoreState,
  source: NodeImage,
  from: EntryKey,
  target: NodeImage,
  to: EntryKey,
): NewEntry {
  const operation: LocalReplace = {
    op: 'replace',
    source: source.id,
    from,
    target: target.id,
    to,
    base: target.version,
    version: uuidv7(),
    sourceVersion: source.version,
    inline: source.version === null,
    size: source.size,
    mode: source.mode,
    uid: source.uid,
    gid: source.gid,
    mtime: source.mtime,
  }
  return { operation, parent: to.parent, time: state.now(), ino: state.inoOf(source.id) }
}

/** Before a save: remembers what the old inode shows; after it: open handles on that become orphans [SY-11]. */
function identityMove(state: StoreState, source: NodeImage, target: NodeImage): () => void {
  const oldIno = state.inodes.of(target.id)
  const content = oldIno !== undefined && state.handles.isOpen(oldIno) ? state.contentOf(target) : undefined
  return () => {
    state.createdHere.delete(source.id)
    state.movedAway.delete(source.id)
    if (oldIno !== undefined && content !== undefined) {
      state.handles.makeOrphan(oldIno, target, { ...content, segments: [...content.segments] })
    }
  }
}
