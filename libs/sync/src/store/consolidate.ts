import { BLOCK_BYTES } from './content-cache.js'
import { segmentOf } from './file-content.js'
import type { JournalEntry, Piece } from './journal-entry.js'
import { laySegment, type Segment } from './segments.js'
import { isStoreError } from './store-error.js'
import type { StoreState } from './store-state.js'

/**
 * Puts neighbouring small pieces of an entry together, up to a block each: a file written 4 KB at a time would else end in
 * as many rows. Pieces that stand alone, or fill a block, stay as they are; all do where the disk has no room, for what they
 * hold is journaled already.
 */
export function consolidatePieces(state: StoreState, entry: JournalEntry): void {
  try {
    joinPieces(state, entry)
  } catch (error) {
    if (!isStoreError(error, 'disk_full')) throw error
  }
}

function joinPieces(state: StoreState, entry: JournalEntry): void {
  const segments: Segment[] = []
  for (const piece of entry.pieces) laySegment(segments, segmentOf(piece))
  const runs = runsOf(segments)
  if (runs.length === entry.pieces.length) return
  const kept = new Set<number>()
  const changed = state.transact(() => {
    const pieces: Piece[] = []
    for (const run of runs) {
      const [first] = run
      const last = run.at(-1)
      if (first === undefined || last === undefined) continue
      if (run.length === 1 && first.blobOffset === 0) {
        const piece = { blob: first.blob, start: first.start, length: first.end - first.start }
        // A blob cut in two by a later write is in two runs: the second gets bytes of its own.
        if (!kept.has(first.blob)) {
          kept.add(first.blob)
          state.journal.storePiece(entry.seq, piece)
          pieces.push(piece)
          continue
        }
      }
      const blob = state.blobs.add(joined(state, run), { entry: entry.seq, start: first.start })
      const piece = { blob, start: first.start, length: last.end - first.start }
      pieces.push(piece)
    }
    for (const piece of entry.pieces) {
      if (kept.has(piece.blob)) continue
      state.journal.storePieceGone(piece)
      state.blobs.remove(piece.blob)
    }
    return { ...entry, pieces }
  })
  state.journal.put(changed)
  state.contents.clear()
}

/** Neighbours together, cut where a block ends. */
function runsOf(segments: readonly Segment[]): Segment[][] {
  const runs: Segment[][] = []
  for (const segment of segments) {
    const run = runs.at(-1)
    const last = run?.at(-1)
    const first = run?.[0]
    const joins =
      last !== undefined &&
      first !== undefined &&
      last.end === segment.start &&
      Math.floor(first.start / BLOCK_BYTES) === Math.floor((segment.end - 1) / BLOCK_BYTES)
    if (joins) run?.push(segment)
    else runs.push([segment])
  }
  return runs
}

function joined(state: StoreState, run: readonly Segment[]): Uint8Array {
  return Buffer.concat(
    run.map(({ blob, blobOffset, start, end }) =>
      state.blobs.read(blob).subarray(blobOffset, blobOffset + end - start),
    ),
  )
}
