import type { BlobStore } from './blob-store.js'
import { BLOCK_BYTES, type ContentCache } from './content-cache.js'
import { isLocalContent, type Hole, type JournalEntry, type LocalContent } from './journal-entry.js'
import type { Journal } from './journal.js'
import { cutSegments, gapsWithin, laySegment, NO_BLOB, segmentsWithin, type Segment } from './segments.js'

/** What a file's bytes are made of: segments written here, over the first `limit` bytes of a version of the service, over zeros. */
export interface FileContent {
  readonly below: { readonly version: string; readonly size: number } | null
  limit: number
  size: number
  readonly segments: Segment[]
}

/** The content of a version of the service, or of no version. */
export function confirmedContent(version: string | null, size: number): FileContent {
  return {
    below: version === null ? null : { version, size },
    limit: version === null ? 0 : size,
    size,
    segments: [],
  }
}

/** A copy that may be changed. */
export function copyContent(content: FileContent): FileContent {
  return { ...content, segments: [...content.segments] }
}

/** The content of a version, built from the journal down to what the service has. */
export function contentOf(journal: Journal, version: string | null, size: number): FileContent {
  const chain: JournalEntry[] = []
  let at = version
  let atSize = size
  for (;;) {
    const entry = at === null ? undefined : journal.byVersion(at)
    if (entry === undefined || !isLocalContent(entry.operation)) break
    chain.push(entry)
    const { version: below, size: belowSize } = basisOf(entry.operation)
    at = below
    atSize = belowSize
  }
  const content = confirmedContent(at, atSize)
  for (const entry of chain.reverse()) layEntry(content, entry)
  return content
}

/** What an entry's content is laid over. */
function basisOf(operation: LocalContent): { version: string | null; size: number } {
  switch (operation.op) {
    case 'write':
      return { version: operation.base, size: operation.baseSize }
    case 'append':
      return { version: operation.assumed, size: operation.assumedSize }
    case 'replace':
      return operation.inline
        ? { version: null, size: 0 }
        : { version: operation.sourceVersion, size: operation.size }
  }
}

/** Lays an entry's pieces over the content below it. */
function layEntry(content: FileContent, entry: JournalEntry): void {
  const { operation } = entry
  if (!isLocalContent(operation)) return
  if (operation.op === 'write') {
    cutContent(content, operation.limit)
    layHoles(content, operation.holes ?? [])
  }
  for (const piece of entry.pieces) laySegment(content.segments, segmentOf(piece))
  content.size = operation.size
}

/** Lays holes over content. */
export function layHoles(content: FileContent, holes: readonly Hole[]): void {
  for (const { start, end } of holes)
    laySegment(content.segments, { start, end, blob: NO_BLOB, blobOffset: 0 })
}

/** The segment of a piece. */
export function segmentOf(piece: { blob: number; start: number; length: number }): Segment {
  return { start: piece.start, end: piece.start + piece.length, blob: piece.blob, blobOffset: 0 }
}

/** Cuts content to a size; growing again shows zeros. */
export function cutContent(content: FileContent, size: number): void {
  cutSegments(content.segments, size)
  content.limit = Math.min(content.limit, size)
  content.size = Math.min(content.size, size)
}

/** Where bytes are read from. */
export interface ContentSource {
  readonly blobs: BlobStore
  readonly cache: ContentCache
}

/** Bytes of content, or the blocks of the version below that must come first. */
export function readContent(
  source: ContentSource,
  content: FileContent,
  offset: number,
  length: number,
): { bytes: Uint8Array<ArrayBuffer> } | { version: string; blocks: number[] } {
  const end = Math.min(content.size, offset + length)
  if (offset >= end) return { bytes: new Uint8Array(0) }
  const bytes = new Uint8Array(end - offset)
  const missing = new Set<number>()
  const { below } = content
  if (below !== null) {
    for (const gap of gapsWithin(content.segments, offset, Math.min(end, content.limit))) {
      for (let block = Math.floor(gap.start / BLOCK_BYTES); block * BLOCK_BYTES < gap.end; block++) {
        const start = Math.max(gap.start, block * BLOCK_BYTES)
        const stop = Math.min(gap.end, (block + 1) * BLOCK_BYTES)
        const cached = source.cache.read(below.version, block)
        if (cached === undefined) missing.add(block)
        else
          bytes.set(cached.subarray(start - block * BLOCK_BYTES, stop - block * BLOCK_BYTES), start - offset)
      }
    }
    if (missing.size > 0) return { version: below.version, blocks: [...missing] }
  }
  for (const segment of segmentsWithin(content.segments, offset, end)) {
    if (segment.blob === NO_BLOB) continue
    const from = source.blobs.read(segment.blob)
    const { blobOffset, start } = segment
    bytes.set(from.subarray(blobOffset, blobOffset + segment.end - start), start - offset)
  }
  return { bytes }
}
