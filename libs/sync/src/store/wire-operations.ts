import { PART_BYTES_MAX, uuidv7, type Extent, type Operation } from '@agentfs/contracts'
import type { BlobStore } from './blob-store.js'
import { segmentOf } from './file-content.js'
import { entryBytes, type JournalEntry, type LocalReplace, type LocalWrite } from './journal-entry.js'
import { gapsWithin, laySegment, type Segment } from './segments.js'

/** Where a stretch of a part's bytes stands; zeros where it has no blob. */
export interface PartSource {
  readonly blob: number | null
  readonly blobOffset: number
  readonly length: number
}

/** A part that must be uploaded before the push. */
interface PlannedPart {
  readonly part: string
  readonly node: string
  readonly length: number
  readonly sources: readonly PartSource[]
}

/** A push in flight as persisted: its bytes are a blob of their own. */
export interface Flight {
  readonly number: number
  readonly digest: string
  readonly blob: number
  readonly parts: readonly (PlannedPart & { parent?: string })[]
}

/** An operation as sent, and the parts it names. */
export interface WireOperation {
  readonly operation: Operation
  readonly parts: readonly PlannedPart[]
}

/** Bytes of content that an entry adds to the body of a push. */
export function inlineBytes(entry: JournalEntry): number {
  const bytes = entryBytes(entry)
  return entry.operation.op === 'append' ? bytes : Math.min(bytes, PART_BYTES_MAX)
}

/** An entry as the service takes it [SY-10]; content above 1 MiB goes to parts [SY-13]. */
export function wireOperation(blobs: BlobStore, entry: JournalEntry): WireOperation {
  const { operation } = entry
  switch (operation.op) {
    case 'write':
      return wireWrite(blobs, entry, operation)
    case 'append': {
      const { node, version, mtime } = operation
      const data = Buffer.concat(
        entry.pieces.map((piece) => blobs.read(piece.blob).subarray(0, piece.length)),
      )
      return { operation: { op: 'append', node, version, data, mtime }, parts: [] }
    }
    case 'replace':
      return wireReplace(blobs, entry, operation)
    default:
      return { operation, parts: [] }
  }
}

function wireWrite(blobs: BlobStore, entry: JournalEntry, write: LocalWrite): WireOperation {
  const { node, base, version, size, mtime } = write
  const segments = layedPieces(entry)
  // What was cut off and grew again is zeros, where the service would show its base.
  const zeros = gapsWithin(segments, write.limit, Math.min(size, write.baseSize))
  if (segments.length === 0 && zeros.length === 0) {
    return { operation: { op: 'truncate', node, base, version, size, mtime }, parts: [] }
  }
  const { extents, parts } = extentsOf(blobs, node, segments, zeros)
  return { operation: { op: 'write', node, base, version, size, extents, mtime }, parts }
}

function wireReplace(blobs: BlobStore, entry: JournalEntry, replace: LocalReplace): WireOperation {
  const { source, from, target, to, base, version, sourceVersion, inline, size, mode, uid, gid, mtime } =
    replace
  const common = { op: 'replace', source, from, target, to, base, version, mode, uid, gid, mtime } as const
  if (!inline) return { operation: { ...common, content: { sourceVersion } }, parts: [] }
  const { extents, parts } = extentsOf(blobs, target, layedPieces(entry), [])
  return { operation: { ...common, content: { size, extents } }, parts }
}

function layedPieces(entry: JournalEntry): Segment[] {
  const segments: Segment[] = []
  for (const piece of entry.pieces) laySegment(segments, segmentOf(piece))
  return segments
}

type Stretch = PartSource & { readonly offset: number }

function extentsOf(
  blobs: BlobStore,
  node: string,
  segments: readonly Segment[],
  zeros: readonly { start: number; end: number }[],
): { extents: Extent[]; parts: PlannedPart[] } {
  const stretches: Stretch[] = [
    ...segments.map(({ start, end, blob, blobOffset }) => ({
      offset: start,
      blob,
      blobOffset,
      length: end - start,
    })),
    ...zeros.map(({ start, end }) => ({ offset: start, blob: null, blobOffset: 0, length: end - start })),
  ].toSorted((one, other) => one.offset - other.offset)
  const bytes = stretches.reduce((sum, { length }) => sum + length, 0)
  if (bytes > PART_BYTES_MAX) return inParts(node, stretches)
  return {
    extents: stretches.map((stretch) => ({ offset: stretch.offset, data: readSource(blobs, stretch) })),
    parts: [],
  }
}

/** Packs stretches into parts one after the other; zeros share one part, however many there are. */
function inParts(node: string, stretches: readonly Stretch[]): { extents: Extent[]; parts: PlannedPart[] } {
  const extents: Extent[] = []
  const parts: PlannedPart[] = []
  let open: { part: string; length: number; sources: PartSource[] } | undefined
  let zeroPart: string | undefined
  const close = (): void => {
    if (open !== undefined) parts.push({ ...open, node })
    open = undefined
  }
  for (const stretch of stretches) {
    for (let done = 0; done < stretch.length;) {
      const offset = stretch.offset + done
      if (stretch.blob === null) {
        zeroPart ??= uuidv7()
        const length = Math.min(stretch.length - done, PART_BYTES_MAX)
        extents.push({ offset, length, part: zeroPart, partOffset: 0 })
        done += length
        continue
      }
      open ??= { part: uuidv7(), length: 0, sources: [] }
      const length = Math.min(stretch.length - done, PART_BYTES_MAX - open.length)
      extents.push({ offset, length, part: open.part, partOffset: open.length })
      open.sources.push({ blob: stretch.blob, blobOffset: stretch.blobOffset + done, length })
      open.length += length
      done += length
      if (open.length === PART_BYTES_MAX) close()
    }
  }
  close()
  if (zeroPart !== undefined) {
    const length = Math.max(...extents.map((it) => ('part' in it && it.part === zeroPart ? it.length : 0)))
    parts.push({ part: zeroPart, node, length, sources: [{ blob: null, blobOffset: 0, length }] })
  }
  return { extents, parts }
}

/** The bytes of a source. */
export function readSource(blobs: BlobStore, source: PartSource): Uint8Array<ArrayBuffer> {
  if (source.blob === null) return new Uint8Array(source.length)
  return new Uint8Array(
    blobs.read(source.blob).subarray(source.blobOffset, source.blobOffset + source.length),
  )
}
