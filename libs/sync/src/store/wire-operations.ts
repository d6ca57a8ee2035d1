import { PART_BYTES_MAX, uuidv7, type Extent, type Operation } from '@agentfs/contracts'
import type { BlobStore } from './blob-store.js'
import { segmentOf } from './file-content.js'
import {
  entryBytes,
  operationBytes,
  type JournalEntry,
  type LocalAppend,
  type LocalReplace,
  type LocalWrite,
} from './journal-entry.js'
import { gapsWithin, laySegment, type Segment } from './segments.js'

/** Where a stretch of a part's bytes stands; zeros where it has no blob, in pushes that an older client formed. */
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

/** What an extent comes to beside its bytes: places, and a part's id. */
const EXTENT_BYTES = 96

/** Bytes that an entry adds to the body of a push, but for names and ids. */
export function inlineBytes(entry: JournalEntry): number {
  const content = Math.min(entryBytes(entry), PART_BYTES_MAX)
  return operationBytes(entry.operation) + content + entry.pieces.length * EXTENT_BYTES
}

/** An entry as the service takes it [SY-10]; content above 1 MiB goes to parts [SY-13]. */
export function wireOperation(blobs: BlobStore, entry: JournalEntry): WireOperation {
  const { operation } = entry
  switch (operation.op) {
    case 'write':
      return wireWrite(blobs, entry, operation)
    case 'append':
      return wireAppend(blobs, entry, operation)
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
  const shown = Math.min(write.limit, size)
  const zeros = [
    ...(write.holes ?? []).flatMap(({ start, end }) => gapsWithin(segments, start, Math.min(end, shown))),
    ...gapsWithin(segments, write.limit, Math.min(size, write.baseSize)),
  ]
  if (segments.length === 0 && zeros.length === 0) {
    return { operation: { op: 'truncate', node, base, version, size, mtime }, parts: [] }
  }
  const { extents, parts } = extentsOf(blobs, node, segments, zeros)
  return { operation: { op: 'write', node, base, version, size, extents, mtime }, parts }
}

/** What is appended goes up as parts above 1 MiB like any other content, and is not sent again for another base [CON-2]. */
function wireAppend(blobs: BlobStore, entry: JournalEntry, append: LocalAppend): WireOperation {
  const { node, version, mtime } = append
  const { extents, parts } = extentsOf(blobs, node, layedPieces(entry), [])
  const data = extents.flatMap((extent) => ('data' in extent ? [extent.data] : []))
  const named = extents.flatMap((extent) => ('part' in extent ? [partOf(extent)] : []))
  const common = { op: 'append', node, version, mtime, data: Buffer.concat(data) } as const
  return { operation: named.length === 0 ? common : { ...common, parts: named }, parts }
}

function partOf({ part, partOffset, length }: { part: string; partOffset: number; length: number }) {
  return { part, partOffset, length }
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
  const holes = zeros.map(({ start, end }): Extent => ({ offset: start, length: end - start, hole: true }))
  const stretches = segments.map(({ start, end, blob, blobOffset }) => ({
    offset: start,
    blob,
    blobOffset,
    length: end - start,
  }))
  const bytes = stretches.reduce((sum, { length }) => sum + length, 0)
  if (bytes > PART_BYTES_MAX) {
    const { extents, parts } = inParts(node, stretches)
    return { extents: inOrder([...extents, ...holes]), parts }
  }
  const inline = stretches.map((stretch) => ({ offset: stretch.offset, data: readSources(blobs, [stretch]) }))
  return { extents: inOrder([...inline, ...holes]), parts: [] }
}

function inOrder(extents: Extent[]): Extent[] {
  return extents.sort((one, other) => one.offset - other.offset)
}

/** Packs stretches into parts one after the other. */
function inParts(node: string, stretches: readonly Stretch[]): { extents: Extent[]; parts: PlannedPart[] } {
  const extents: Extent[] = []
  const parts: PlannedPart[] = []
  let open: { part: string; length: number; sources: PartSource[] } | undefined
  const close = (): void => {
    if (open !== undefined) parts.push({ ...open, node })
    open = undefined
  }
  for (const stretch of stretches) {
    for (let done = 0; done < stretch.length;) {
      const offset = stretch.offset + done
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
  return { extents, parts }
}

/** The bytes of sources, one behind the other. */
export function readSources(blobs: BlobStore, sources: readonly PartSource[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sources.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const { blob, blobOffset, length } of sources) {
    if (blob !== null) blobs.copy(blob, blobOffset, bytes.subarray(at, at + length))
    at += length
  }
  return bytes
}
