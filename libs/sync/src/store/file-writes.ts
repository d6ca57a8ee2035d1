import { AgentfsError, uuidv7, type NodeImage, type TimeSpec } from '@agentfs/contracts'
import { announce, appendEntries, assertRoom, ENTRY_COST_BYTES, pushContentMax } from './append-entry.js'
import { consolidatePieces } from './consolidate.js'
import { cutContent, segmentOf } from './file-content.js'
import {
  entryBytes,
  isLocalContent,
  PIECES_MAX,
  type JournalEntry,
  type LocalAppend,
  type LocalContent,
  type LocalWrite,
  type Piece,
} from './journal-entry.js'
import { changeAttributes, parentOf } from './namespace.js'
import { cutSegments, laySegment } from './segments.js'
import type { StoreState } from './store-state.js'

/** The largest file: offsets must stay exact integers, and far below. */
const FILE_BYTES_MAX = 2 ** 44
/** After how many pieces an entry's small ones are put together. */
const CONSOLIDATE_PIECES = 256

/** Lays bytes over a file, or after its end. */
export function writeFile(
  state: StoreState,
  ino: number,
  at: number,
  bytes: Uint8Array,
  append: boolean,
): { offset: number; size: number } {
  const orphan = state.handles.orphan(ino)
  if (orphan !== undefined) {
    const start = append ? orphan.content.size : at
    if (bytes.length > 0) writeOrphan(state, ino, start, bytes)
    return { offset: start, size: orphan.content.size }
  }
  const node = fileOf(state, ino)
  const offset = append ? node.size : at
  if (bytes.length === 0) return { offset, size: node.size }
  if (offset + bytes.length > FILE_BYTES_MAX)
    throw new AgentfsError('too_large', { detail: 'the file is too large' })
  assertRoom(state, ENTRY_COST_BYTES + bytes.length)
  const size = Math.max(node.size, offset + bytes.length)
  const time = state.now()
  const open = openEntry(state, node)
  if (open !== undefined && takesWrite(open.operation, offset) && hasRoom(state, open, bytes.length)) {
    extendEntry(state, node, open, { offset, bytes, size, time })
  } else {
    const operation = newContent(state, node, { append, length: bytes.length, size, time })
    const content = takeContent(state, node, open)
    const [entry] = appendEntries(state, [
      { operation, parent: parentOf(state, node), time, bytes: { start: offset, bytes } },
    ])
    if (entry !== undefined) {
      for (const piece of entry.pieces) laySegment(content.segments, segmentOf(piece))
      content.size = size
      state.contents.set(operation.version, content)
    }
  }
  return { offset, size }
}

/** Cuts a file, or grows it with zeros. */
export function truncateFile(state: StoreState, ino: number, size: number): void {
  if (size > FILE_BYTES_MAX) throw new AgentfsError('too_large', { detail: 'the file is too large' })
  const orphan = state.handles.orphan(ino)
  if (orphan !== undefined) {
    cutContent(orphan.content, size)
    orphan.content.size = size
    return
  }
  const node = fileOf(state, ino)
  if (node.size === size) {
    // Cut to the size it has, a file changes all the same: `: > stamp` is how programs touch one.
    changeAttributes(state, ino, { mtime: state.now() })
    return
  }
  assertRoom(state, ENTRY_COST_BYTES)
  const time = state.now()
  const open = openEntry(state, node)
  if (open?.operation.op === 'write') {
    cutEntry(state, node, open, open.operation, size, time)
    return
  }
  const operation: LocalWrite = {
    op: 'write',
    node: node.id,
    base: node.version,
    baseSize: node.size,
    version: uuidv7(),
    limit: Math.min(node.size, size),
    size,
    mtime: time,
  }
  const content = takeContent(state, node, open)
  appendEntries(state, [{ operation, parent: parentOf(state, node), time }])
  cutContent(content, operation.limit)
  content.size = size
  state.contents.set(operation.version, content)
}

/** The live file of an inode. */
export function fileOf(state: StoreState, ino: number): NodeImage {
  const node = state.nodeOf(ino)
  if (node.kind === 'directory')
    throw new AgentfsError('is_directory', { detail: 'a directory has no content' })
  if (node.kind !== 'file') throw new AgentfsError('invalid_request', { detail: 'the inode is no file' })
  return node
}

/** The entry that made the file's version, where later writes may still go into it [SY-14]. */
export function openEntry(
  state: StoreState,
  node: NodeImage,
): (JournalEntry & { operation: LocalContent }) | undefined {
  const entry = node.version === null ? undefined : state.journal.byVersion(node.version)
  if (entry?.push !== 0 || !isLocalContent(entry.operation)) return undefined
  if (entry.seq <= state.closedThrough) return undefined
  // An fsync since then is a barrier: what it made durable is not to be reordered past.
  if (entry.generation !== (state.generations.get(entry.group) ?? 0)) return undefined
  return { ...entry, operation: entry.operation }
}

/** One entry is one version and goes up as a whole: beyond a size, or a number of pieces, the next one begins. */
function hasRoom(state: StoreState, entry: JournalEntry, bytes: number): boolean {
  return entry.pieces.length < PIECES_MAX && entryBytes(entry) + bytes <= pushContentMax(state)
}

function takesWrite(operation: LocalContent, offset: number): operation is LocalWrite | LocalAppend {
  if (operation.op === 'write') return true
  // An append keeps being one, however much it grows: it has no base that another writer could make stale [CON-2].
  if (operation.op !== 'append') return false
  return offset === operation.size
}

function newContent(
  state: StoreState,
  node: NodeImage,
  write: { append: boolean; length: number; size: number; time: TimeSpec },
): LocalWrite | LocalAppend {
  const { size, time } = write
  const common = { node: node.id, version: uuidv7(), size, mtime: time }
  const ownAndEmpty = node.version === null && state.tree.confirmedNode(node.id) === undefined
  if (write.append && !ownAndEmpty) {
    return { op: 'append', ...common, assumed: node.version, assumedSize: node.size }
  }
  return { op: 'write', ...common, base: node.version, baseSize: node.size, limit: node.size }
}

/** The file's content, to be changed for its next version; a version that a push carries keeps its own. */
export function takeContent(
  state: StoreState,
  node: NodeImage,
  open: JournalEntry | undefined,
): ReturnType<StoreState['contentOf']> {
  const content = state.contentOf(node)
  if (open === undefined && node.version !== null) state.contents.delete(node.version)
  return { ...content, segments: [...content.segments] }
}

function extendEntry(
  state: StoreState,
  node: NodeImage,
  entry: JournalEntry & { operation: LocalContent },
  write: { offset: number; bytes: Uint8Array; size: number; time: TimeSpec },
): void {
  const { offset, bytes, size, time } = write
  const operation = { ...entry.operation, size, mtime: time }
  const content = state.contentOf(node)
  const end = offset + bytes.length
  const covered =
    offset < node.size ? entry.pieces.filter((it) => it.start >= offset && it.start + it.length <= end) : []
  const changed = state.transact(() => {
    const blob = state.blobs.add(bytes, { entry: entry.seq, start: offset })
    for (const gone of covered) {
      state.journal.storePieceGone(gone)
      state.blobs.remove(gone.blob)
    }
    const kept = covered.length === 0 ? entry.pieces : entry.pieces.filter((it) => !covered.includes(it))
    const extended: JournalEntry = {
      ...entry,
      operation,
      pieces: [...kept, { blob, start: offset, length: bytes.length }],
    }
    state.journal.storeEntry(extended)
    return extended
  })
  state.journal.put(changed)
  showContent(state, node, size, time)
  const piece = changed.pieces.at(-1)
  if (piece !== undefined) laySegment(content.segments, segmentOf(piece))
  content.size = size
  if (changed.pieces.length % CONSOLIDATE_PIECES === 0) consolidatePieces(state, changed)
  announce(state)
}

function cutEntry(
  state: StoreState,
  node: NodeImage,
  entry: JournalEntry,
  before: LocalWrite,
  size: number,
  time: TimeSpec,
): void {
  const operation: LocalWrite = { ...before, limit: Math.min(before.limit, size), size, mtime: time }
  const content = state.contentOf(node)
  const changed = state.transact(() => {
    const pieces: Piece[] = []
    for (const piece of entry.pieces) {
      const length = Math.min(piece.length, size - piece.start)
      if (length === piece.length) pieces.push(piece)
      else if (length > 0) {
        const cut = { ...piece, length }
        state.journal.storePiece(entry.seq, cut)
        pieces.push(cut)
      } else {
        state.journal.storePieceGone(piece)
        state.blobs.remove(piece.blob)
      }
    }
    const entryNow: JournalEntry = { ...entry, operation, pieces }
    state.journal.storeEntry(entryNow)
    return entryNow
  })
  state.journal.put(changed)
  showContent(state, node, size, time)
  cutSegments(content.segments, size)
  content.limit = Math.min(content.limit, size)
  content.size = size
  announce(state)
}

/** The same version with another size: what a write into an open entry shows. */
function showContent(state: StoreState, node: NodeImage, size: number, time: TimeSpec): void {
  const image = { ...node, size, mtime: time, ctime: time }
  state.tree.applyLocal({ nodes: [image], entries: [], aliases: [], versions: [] })
}

/** Later writes to an orphaned handle stay local [CON-5]. */
function writeOrphan(state: StoreState, ino: number, start: number, bytes: Uint8Array): void {
  const orphan = state.handles.orphan(ino)
  if (orphan === undefined) return
  const blob = state.transact(() => state.blobs.add(bytes))
  state.handles.keepForOrphan(orphan, blob)
  laySegment(orphan.content.segments, { start, end: start + bytes.length, blob, blobOffset: 0 })
  orphan.content.size = Math.max(orphan.content.size, start + bytes.length)
  const time = state.now()
  orphan.image = { ...orphan.image, mtime: time, ctime: time }
}
