import { crc32 } from 'node:zlib'
import { FieldReader } from './field-reader.js'
import { writeId } from './field-writer.js'
import type { SegmentIndexEntry } from './segment.js'
import { segmentDamaged } from './segment-damage.js'
import {
  ENTRY_HEADER_BYTES,
  FOOTER_BYTES,
  FOOTER_MAGIC,
  HEADER_BYTES,
  INDEX_ENTRY_BYTES,
  kindCode,
  kindOfCode,
  SEGMENT_BYTES_MAX,
} from './segment-layout.js'

/** What the footer says of the segment before it. */
export interface SegmentFooter {
  readonly sha256: Buffer
  readonly indexOffset: number
  readonly entryCount: number
  readonly indexChecksum: number
}

/** Writes the index at `offset` of `target` and gives the offset after it. */
export function writeIndex(target: Buffer, offset: number, entries: readonly SegmentIndexEntry[]): number {
  let place = offset
  for (const entry of entries) {
    writeId(target, place, entry.id)
    target.writeBigUInt64BE(BigInt(entry.seq), place + 16)
    target.writeUInt32BE(entry.offset, place + 24)
    target.writeUInt32BE(entry.length, place + 28)
    target.writeUInt32BE(entry.count, place + 32)
    target.writeUInt8(kindCode(entry.kind), place + 36)
    place += INDEX_ENTRY_BYTES
  }
  return place
}

/** Writes the footer at `offset`, where the segment's other bytes end. */
export function writeFooter(
  target: Buffer,
  offset: number,
  footer: Omit<SegmentFooter, 'indexChecksum'>,
): void {
  const place = target.subarray(offset, offset + FOOTER_BYTES)
  footer.sha256.copy(place, 0)
  place.writeUInt32BE(footer.indexOffset, 32)
  place.writeUInt32BE(footer.entryCount, 36)
  place.writeUInt32BE(crc32(target.subarray(footer.indexOffset, offset)), 40)
  place.writeUInt32BE(offset + FOOTER_BYTES, 44)
  place.writeUInt32BE(crc32(place.subarray(0, 56)), 56)
  FOOTER_MAGIC.copy(place, 60)
}

/** Reads the footer from the last FOOTER_BYTES of an object of `size` bytes; what it gives lies within bounds. */
export function readFooter(bytes: Uint8Array, size: number, object: string): SegmentFooter {
  if (size < HEADER_BYTES + FOOTER_BYTES) throw segmentDamaged(object, 'the footer', 'is cut off')
  if (size > SEGMENT_BYTES_MAX)
    throw segmentDamaged(object, 'the footer', 'ends a segment larger than any is')
  const reader = new FieldReader(bytes.subarray(bytes.length - FOOTER_BYTES), object, 'the footer')
  reader.magic(60, FOOTER_MAGIC)
  reader.checksum(56)
  reader.zero(48, 56)
  if (reader.u32(44) !== size) reader.fail(`is that of a segment of ${reader.u32(44)} bytes, not ${size}`)
  const indexOffset = reader.u32(32)
  const entryCount = reader.u32(36)
  if (indexOffset < HEADER_BYTES || indexOffset + entryCount * INDEX_ENTRY_BYTES !== size - FOOTER_BYTES) {
    reader.fail('does not fit the size of its index')
  }
  return { sha256: reader.bytes(0, 32), indexOffset, entryCount, indexChecksum: reader.u32(40) }
}

/** Reads the index; its entries lie one after the other between header and index, without gaps. */
export function readIndex(bytes: Uint8Array, footer: SegmentFooter, object: string): SegmentIndexEntry[] {
  if (crc32(bytes) !== footer.indexChecksum)
    throw segmentDamaged(object, 'the index', 'does not fit its checksum')
  const entries: SegmentIndexEntry[] = []
  let next = HEADER_BYTES
  for (let start = 0; start < bytes.length; start += INDEX_ENTRY_BYTES) {
    const slice = bytes.subarray(start, start + INDEX_ENTRY_BYTES)
    const reader = new FieldReader(slice, object, `entry ${entries.length} of the index`)
    const entry = readIndexEntry(reader)
    if (entry.offset !== next + ENTRY_HEADER_BYTES) reader.fail('does not follow the one before it')
    next = entry.offset + entry.length
    if (next > footer.indexOffset) reader.fail('reaches into the index')
    entries.push(entry)
  }
  if (next !== footer.indexOffset)
    throw segmentDamaged(object, 'the index', 'leaves bytes before it unclaimed')
  return entries
}

function readIndexEntry(reader: FieldReader): SegmentIndexEntry {
  reader.zero(37, 40)
  const kind = kindOfCode(reader.u8(36))
  if (kind === undefined) return reader.fail(`is of an unknown kind ${reader.u8(36)}`)
  return {
    kind,
    id: reader.id(0),
    seq: reader.u64(16),
    offset: reader.u32(24),
    length: reader.u32(28),
    count: reader.u32(32),
  }
}
