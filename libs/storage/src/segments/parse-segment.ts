import { createHash } from 'node:crypto'
import { readEntry } from './entry-codec.js'
import { readHeader } from './header-codec.js'
import { readFooter, readIndex } from './index-codec.js'
import type { ParsedSegment, PlacedSegmentEntry, SegmentHeader, SegmentIndexEntry } from './segment.js'
import { segmentDamaged } from './segment-damage.js'
import { ENTRY_HEADER_BYTES, FOOTER_BYTES } from './segment-layout.js'

/**
 * Reads a whole segment and believes nothing: every length is checked before it is used, every checksum too, and index and
 * entries must say the same. Any byte that is not as it was written gives `object_corrupt` with `object`, `place` and
 * `problem` among its details. `object` is the key, for the message.
 */
export function parseSegment(bytes: Uint8Array, object: string): ParsedSegment {
  const { header, entryCount } = readHeader(bytes, object)
  const footer = readFooter(bytes, bytes.length, object)
  if (footer.entryCount !== entryCount) {
    throw segmentDamaged(
      object,
      'the footer',
      `counts ${footer.entryCount} entries, the header ${entryCount}`,
    )
  }
  const index = readIndex(bytes.subarray(footer.indexOffset, bytes.length - FOOTER_BYTES), footer, object)
  const ids = new Set<string>()
  const entries = index.map((known, place) => {
    if (ids.has(known.id))
      throw segmentDamaged(object, `entry ${place} of the index`, 'has an id of another entry')
    ids.add(known.id)
    return readIndexedEntry(bytes, known, header, object)
  })
  // Last: the entries' own checksums name the damage better.
  const sha256 = createHash('sha256').update(bytes.subarray(0, -FOOTER_BYTES)).digest()
  if (!sha256.equals(footer.sha256)) throw segmentDamaged(object, 'the segment', 'does not fit its SHA-256')
  return { header, entries }
}

/** Reads an entry that the index knows, from `bytes` whose first byte is the object's byte `base`. */
export function readIndexedEntry(
  bytes: Uint8Array,
  known: SegmentIndexEntry,
  header: SegmentHeader,
  object: string,
  base = 0,
): PlacedSegmentEntry {
  const start = known.offset - base - ENTRY_HEADER_BYTES
  if (start < 0) throw segmentDamaged(object, 'the index', `has an entry at byte ${known.offset}`)
  const end = Math.min(bytes.length, known.offset - base + known.length)
  const entry = readEntry(bytes, start, end, object, base)
  const same =
    entry.kind === known.kind &&
    entry.id === known.id &&
    entry.seq === known.seq &&
    entry.count === known.count &&
    entry.length === known.length
  if (!same)
    throw segmentDamaged(
      object,
      `the entry at byte ${base + start}`,
      'is not the one that the index has there',
    )
  if (entry.seq < header.firstSeq || entry.seq + entry.count - 1 > header.lastSeq) {
    throw segmentDamaged(
      object,
      `the entry at byte ${base + start}`,
      `is of seq ${entry.seq}, which the header does not cover`,
    )
  }
  return entry
}
