import type { OperationResult, PushAnswer } from '@agentfs/contracts'
import { layHoles, segmentOf } from './file-content.js'
import type { JournalEntry, LocalAppend, LocalWrite, Piece } from './journal-entry.js'
import { isAsShown } from './keep-contents.js'
import { cutSegments, laySegment, NO_BLOB } from './segments.js'
import type { StoreState } from './store-state.js'

/** A version made of appends that met a newer head, as it was shown here: pieces over a version that both sides know. */
interface Shown {
  readonly base: string | null
  readonly baseSize: number
  readonly pieces: readonly Piece[]
  /** How many bytes it has at the service, or will have. */
  readonly sizeThere: number
}

/**
 * What waits on an append that met a newer head stands on other bytes than its writer saw [CON-2]. A write is put back onto what
 * the append was shown over, the appended bytes among its own: a version with a base of its own, for the service to merge. An
 * append moves behind what came first. Answers the entries that changed, by number. Within a transaction, while the done ones
 * are still in the journal's memory and have their bytes.
 */
export function rebaseAppended(
  state: StoreState,
  done: readonly { entry: JournalEntry; result: OperationResult }[],
  answer: PushAnswer,
): ReadonlyMap<number, JournalEntry> {
  const versions = new Map((answer.commit?.delta.versions ?? []).map((version) => [version.id, version]))
  const adrift = new Map<string | null, Shown>()
  for (const { entry } of done) {
    const { operation } = entry
    if (operation.op !== 'append') continue
    const version = versions.get(operation.version)
    if (version === undefined || isAsShown(operation, version.size, version.parents)) continue
    adrift.set(operation.version, shownAppend(entry, operation, adrift, version.size))
  }
  const changed = new Map<number, JournalEntry>()
  if (adrift.size === 0) return changed
  for (const entry of state.journal.entries()) {
    const { operation } = entry
    if (entry.push !== 0 || (operation.op !== 'append' && operation.op !== 'write')) continue
    const below = adrift.get(operation.op === 'append' ? operation.assumed : operation.base)
    if (below === undefined) continue
    if (operation.op === 'append') {
      const sizeThere = below.sizeThere + operation.size - operation.assumedSize
      adrift.set(operation.version, shownAppend(entry, operation, adrift, sizeThere))
    }
    const rebased =
      operation.op === 'append'
        ? movedAppend(state, entry, operation, below)
        : rebasedWrite(state, entry, operation, below)
    state.journal.storeEntry(rebased)
    changed.set(entry.seq, rebased)
  }
  for (const entry of changed.values()) state.journal.put(entry)
  return changed
}

function shownAppend(
  entry: JournalEntry,
  append: LocalAppend,
  adrift: ReadonlyMap<string | null, Shown>,
  sizeThere: number,
): Shown {
  const below = adrift.get(append.assumed)
  const { base, baseSize, pieces } = below ?? {
    base: append.assumed,
    baseSize: append.assumedSize,
    pieces: [],
  }
  return { base, baseSize, pieces: [...pieces, ...entry.pieces], sizeThere }
}

function movedAppend(
  state: StoreState,
  entry: JournalEntry,
  append: LocalAppend,
  below: Shown,
): JournalEntry {
  const by = below.sizeThere - append.assumedSize
  const pieces = entry.pieces.map((piece) => ({ ...piece, start: piece.start + by }))
  for (const piece of pieces) state.journal.storePiece(entry.seq, piece)
  return { ...entry, operation: { ...append, assumedSize: below.sizeThere, size: append.size + by }, pieces }
}

/** The appended bytes that still show get blobs of the write's own: those of the append become a version of the service. */
function rebasedWrite(
  state: StoreState,
  entry: JournalEntry,
  write: LocalWrite,
  { base, baseSize, pieces }: Shown,
): JournalEntry {
  const content = { below: null, limit: 0, size: write.size, segments: pieces.map(segmentOf) }
  cutSegments(content.segments, write.limit)
  layHoles(content, write.holes ?? [])
  for (const piece of entry.pieces) laySegment(content.segments, segmentOf(piece))
  const own = new Set(entry.pieces.map(({ blob }) => blob))
  const copied = content.segments
    .filter(({ blob }) => blob !== NO_BLOB && !own.has(blob))
    .map(({ blob, blobOffset, start, end }): Piece => {
      const bytes = state.blobs.read(blob).subarray(blobOffset, blobOffset + end - start)
      return { blob: state.blobs.add(bytes, { entry: entry.seq, start }), start, length: end - start }
    })
  const operation = { ...write, base, baseSize, limit: Math.min(write.limit, baseSize) }
  return { ...entry, operation, pieces: [...copied, ...entry.pieces] }
}
