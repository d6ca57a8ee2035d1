/**
 * The bytes of a segment, version 1. Integers are unsigned and big-endian, ids are the 16 bytes of their UUID, `zero` is
 * refused when it is not zero, checksums are CRC-32 (IEEE, as zlib's).
 *
 * ```text
 * header, 112 bytes
 *   0 "AFSG" | 4 version u8=1 | 5 zero[3] | 8 segment id[16] | 24 tenant id[16] | 40 stream id[16]
 *  56 agent id[16], all zero in a tenant's own stream | 72 epoch u32 | 76 entry count u32
 *  80 first seq u64 | 88 last seq u64 | 96 zero[12] | 108 checksum of bytes 0..107
 *
 * entry, 64 bytes and its payload, one after the other without gaps
 *   0 "AFSE" | 4 kind u8 | 5 zero[3] | 8 id[16] | 24 key id[16] | 40 seq u64 | 48 count u32 | 52 payload length u32
 *  56 checksum of the payload | 60 checksum of bytes 0..59 | 64 payload: sealed bytes as they are (FORMATS, Sealed bytes)
 *
 * index, 40 bytes for each entry, in the order of the entries
 *   0 id[16] | 16 seq u64 | 24 offset of the payload u32 | 28 payload length u32 | 32 count u32 | 36 kind u8 | 37 zero[3]
 *
 * footer, 64 bytes
 *   0 SHA-256 of all bytes before the footer[32] | 32 offset of the index u32 | 36 entry count u32
 *  40 checksum of the index | 44 size of the segment u32 | 48 zero[8] | 56 checksum of bytes 0..55 | 60 "GSFA"
 * ```
 *
 * Kinds: 1 part, 2 manifest, 3 record, 4 record block (the records of `count` seqs from `seq` on, compressed, then sealed
 * as one; for compaction), 5 tree image (the tree as it is at `seq`). `seq` is that of the commit an entry belongs to;
 * `count` is 1 but for record blocks. `id` and `key id` are what the payload's seal is bound to, so that whoever has the
 * keys opens every entry from the segment alone; the seal's own header says the key's version.
 *
 * Why each checksum: the footer's SHA-256 proves a whole download; the entries' CRC-32 let a part fetched by range be moved
 * by compaction, which has no keys, without carrying rot along; the others tell where the damage is. None of them is
 * security: that is the seals' and the manifests'.
 *
 * Worked size, three sealed entries of 112, 212 and 312 bytes (a part of 24 bytes of content is 16 + 24 + 32 + 24 + 16):
 *   112 + (64 + 112) + (64 + 212) + (64 + 312) + 3 * 40 + 64 = 1,124 bytes; 104 bytes an entry and 176 a segment.
 */
export const SEGMENT_VERSION = 1

export const HEADER_BYTES = 112
export const ENTRY_HEADER_BYTES = 64
export const INDEX_ENTRY_BYTES = 40
export const FOOTER_BYTES = 64

export const HEADER_MAGIC = Buffer.from('AFSG')
export const ENTRY_MAGIC = Buffer.from('AFSE')
export const FOOTER_MAGIC = Buffer.from('GSFA')

/** The largest segment that is built or read: bounds what a wild length can make a reader allocate. */
export const SEGMENT_BYTES_MAX = 256 << 20

/** Bytes that a segment of so many entries adds to their payloads. */
export function segmentOverheadBytes(entryCount: number): number {
  return HEADER_BYTES + FOOTER_BYTES + entryCount * (ENTRY_HEADER_BYTES + INDEX_ENTRY_BYTES)
}

const KIND_CODES = { part: 1, manifest: 2, record: 3, recordBlock: 4, treeImage: 5 } as const

/** What a sealed entry is. */
export type SegmentEntryKind = keyof typeof KIND_CODES

const KINDS = new Map<number, SegmentEntryKind>([
  [1, 'part'],
  [2, 'manifest'],
  [3, 'record'],
  [4, 'recordBlock'],
  [5, 'treeImage'],
])

/** A kind's number in the bytes. */
export function kindCode(kind: SegmentEntryKind): number {
  return KIND_CODES[kind]
}

/** The kind of a number, or undefined. */
export function kindOfCode(code: number): SegmentEntryKind | undefined {
  return KINDS.get(code)
}
