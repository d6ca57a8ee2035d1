import { readHeader } from './header-codec.js'
import { readFooter, readIndex } from './index-codec.js'
import { readIndexedEntry } from './parse-segment.js'
import type { PlacedSegmentEntry, SegmentHeader, SegmentIndex, SegmentIndexEntry } from './segment.js'
import { segmentDamaged } from './segment-damage.js'
import { ENTRY_HEADER_BYTES, FOOTER_BYTES, HEADER_BYTES } from './segment-layout.js'

/** Gives exactly `length` bytes of one object from `offset`: `(offset, length) => store.getRange(key, offset, length)`. */
export type ReadRange = (offset: number, length: number) => Promise<Uint8Array>

/** The first guess of what footer and index take: 64 KiB hold the index of some 1,600 entries. */
const TAIL_BYTES = 64 << 10

/**
 * Reads header and index of a segment of `size` bytes without its payloads: two ranges at once, a third only for an index
 * of more than 1,600 entries. Throws as `parseSegment` does; payloads are not looked at.
 */
export async function openSegmentIndex(
  readRange: ReadRange,
  size: number,
  object: string,
): Promise<SegmentIndex> {
  if (size < HEADER_BYTES + FOOTER_BYTES)
    throw segmentDamaged(object, 'the segment', `has only ${size} bytes`)
  const tailBytes = Math.min(size, TAIL_BYTES)
  const [head, tail] = await Promise.all([readRange(0, HEADER_BYTES), readRange(size - tailBytes, tailBytes)])
  const { header, entryCount } = readHeader(head, object)
  const footer = readFooter(tail, size, object)
  if (footer.entryCount !== entryCount) {
    throw segmentDamaged(
      object,
      'the footer',
      `counts ${footer.entryCount} entries, the header ${entryCount}`,
    )
  }
  const indexBytes = size - FOOTER_BYTES - footer.indexOffset
  const known = tailBytes - FOOTER_BYTES
  const index =
    indexBytes <= known
      ? tail.subarray(known - indexBytes, known)
      : await readRange(footer.indexOffset, indexBytes)
  return { header, entries: readIndex(index, footer, object) }
}

/** Reads one entry of the index by one range, and checks it against its checksums and the index. */
export async function readSegmentEntry(
  readRange: ReadRange,
  header: SegmentHeader,
  entry: SegmentIndexEntry,
  object: string,
): Promise<PlacedSegmentEntry> {
  const base = entry.offset - ENTRY_HEADER_BYTES
  const bytes = await readRange(base, ENTRY_HEADER_BYTES + entry.length)
  return readIndexedEntry(bytes, entry, header, object, base)
}
