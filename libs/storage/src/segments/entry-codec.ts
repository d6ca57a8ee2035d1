import { crc32 } from 'node:zlib'
import { FieldReader } from './field-reader.js'
import { writeId } from './field-writer.js'
import type { PlacedSegmentEntry, SegmentEntry } from './segment.js'
import { segmentDamaged } from './segment-damage.js'
import { ENTRY_HEADER_BYTES, ENTRY_MAGIC, kindCode, kindOfCode } from './segment-layout.js'

/** Writes an entry at `offset` of `target` and gives the offset after it. */
export function writeEntry(target: Buffer, offset: number, entry: SegmentEntry): number {
  const head = target.subarray(offset, offset + ENTRY_HEADER_BYTES)
  ENTRY_MAGIC.copy(head, 0)
  head.writeUInt8(kindCode(entry.kind), 4)
  writeId(head, 8, entry.id)
  writeId(head, 24, entry.keyId)
  head.writeBigUInt64BE(BigInt(entry.seq), 40)
  head.writeUInt32BE(entry.count ?? 1, 48)
  head.writeUInt32BE(entry.sealed.length, 52)
  head.writeUInt32BE(crc32(entry.sealed), 56)
  head.writeUInt32BE(crc32(head.subarray(0, 60)), 60)
  target.set(entry.sealed, offset + ENTRY_HEADER_BYTES)
  return offset + ENTRY_HEADER_BYTES + entry.sealed.length
}

/**
 * Reads the entry whose header starts at `start` of `bytes` and which must end by `end`. `base` is the object's offset of
 * bytes[0]: messages and the placement count from the object's start.
 */
export function readEntry(
  bytes: Uint8Array,
  start: number,
  end: number,
  object: string,
  base = 0,
): PlacedSegmentEntry {
  const place = `the entry at byte ${base + start}`
  if (start + ENTRY_HEADER_BYTES > end) throw segmentDamaged(object, place, 'is cut off')
  const reader = new FieldReader(bytes.subarray(start, start + ENTRY_HEADER_BYTES), object, place)
  reader.magic(0, ENTRY_MAGIC)
  reader.checksum(60)
  reader.zero(5, 8)
  const kind = kindOfCode(reader.u8(4))
  if (kind === undefined) return reader.fail(`is of an unknown kind ${reader.u8(4)}`)
  const length = reader.u32(52)
  const from = start + ENTRY_HEADER_BYTES
  if (length > end - from) reader.fail('reaches past where it must end')
  const sealed = bytes.subarray(from, from + length)
  if (crc32(sealed) !== reader.u32(56))
    reader.fail(`has a payload that does not fit its checksum: ${kind} ${reader.id(8)}`)
  const count = reader.u32(48)
  if (count === 0 || (count !== 1 && kind !== 'recordBlock')) reader.fail(`counts ${count} seqs`)
  return {
    kind,
    id: reader.id(8),
    keyId: reader.id(24),
    seq: reader.u64(40),
    count,
    sealed,
    offset: base + from,
    length,
  }
}
