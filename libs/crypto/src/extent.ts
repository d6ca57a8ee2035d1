// An extent: where a run of a version's bytes lies. 88 bytes, integers big-endian.
//
//   0   offset u64        in the content
//   8   length u64
//   16  key id[16]
//   32  part id[16]
//   48  part offset u64   where in the part's plaintext the run starts
//   56  keyed hash[32]    content-mac.ts, over the part's whole plaintext
//
// The same entry refers to a page of extents: then offset and length are the run that the page covers, the part
// holds the page, and the part offset is 0. A page is "AFX1" | count u32 | extents. What no extent covers is a
// hole: it reads as zeros.
import { createHash } from 'node:crypto'
import { AgentfsError } from '@agentfs/contracts'
import { CONTENT_MAC_BYTES } from './content-mac.js'
import { UUID_BYTES, uuidFromBytes, uuidToBytes } from './uuid-bytes.js'

/** Plaintext bytes of a part at most. */
export const PART_BYTES_MAX = 1_048_576
/** Bytes of an encoded extent. */
export const EXTENT_BYTES = 88
/** Extents that a manifest holds itself; more stand in pages. */
export const EXTENTS_INLINE_MAX = 64
/** Extents of one page. */
export const EXTENTS_PER_PAGE = 256

/** A run of a version's bytes, or the page that lists the extents of a run. */
export interface Extent {
  readonly offset: number
  readonly length: number
  readonly keyId: string
  readonly partId: string
  readonly partOffset: number
  /** Keyed hash of the part's whole plaintext: extents of one part share it. */
  readonly mac: Uint8Array
}

/** Encodes extents, after checking what `decodeExtents` checks. */
export function encodeExtents(extents: readonly Extent[]): Buffer {
  checkOrder(extents)
  const encoded = Buffer.alloc(extents.length * EXTENT_BYTES)
  extents.forEach((extent, index) => {
    const entry = encoded.subarray(index * EXTENT_BYTES)
    if (extent.mac.length !== CONTENT_MAC_BYTES) throw corruptExtents('a keyed hash has 32 bytes')
    entry.writeBigUInt64BE(BigInt(extent.offset), 0)
    entry.writeBigUInt64BE(BigInt(extent.length), 8)
    entry.set(uuidToBytes(extent.keyId), 16)
    entry.set(uuidToBytes(extent.partId), 32)
    entry.writeBigUInt64BE(BigInt(extent.partOffset), 48)
    entry.set(extent.mac, 56)
  })
  return encoded
}

/** Reads extents; `object_corrupt` unless they are ordered, disjoint and not empty. */
export function decodeExtents(bytes: Uint8Array): Extent[] {
  if (bytes.length % EXTENT_BYTES !== 0) throw corruptExtents('length')
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const extents = Array.from({ length: bytes.length / EXTENT_BYTES }, (_, index) => {
    const entry = view.subarray(index * EXTENT_BYTES, (index + 1) * EXTENT_BYTES)
    return {
      offset: readSafe(entry, 0),
      length: readSafe(entry, 8),
      keyId: uuidFromBytes(entry.subarray(16, 16 + UUID_BYTES)),
      partId: uuidFromBytes(entry.subarray(32, 32 + UUID_BYTES)),
      partOffset: readSafe(entry, 48),
      mac: Buffer.from(entry.subarray(56)),
    }
  })
  checkOrder(extents)
  return extents
}

/** The plaintext of a part that holds a page of extents. */
export function encodeExtentPage(extents: readonly Extent[]): Buffer {
  if (extents.length > EXTENTS_PER_PAGE) throw corruptExtents('page size')
  const prefix = Buffer.alloc(PAGE_PREFIX_BYTES)
  prefix.set(PAGE_MAGIC, 0)
  prefix.writeUInt32BE(extents.length, 4)
  return Buffer.concat([prefix, encodeExtents(requireInParts(extents))])
}

/** The extents in a page, which must lie within the run that `page` covers; else `object_corrupt`. */
export function decodeExtentPage(page: Extent, plaintext: Uint8Array): Extent[] {
  const prefix = Buffer.from(plaintext.subarray(0, PAGE_PREFIX_BYTES))
  if (prefix.length < PAGE_PREFIX_BYTES || !prefix.subarray(0, 4).equals(PAGE_MAGIC))
    throw corruptExtents('page format', page)
  const extents = requireInParts(decodeExtents(plaintext.subarray(PAGE_PREFIX_BYTES)))
  const within = extents.every(
    ({ offset, length }) => offset >= page.offset && offset + length <= page.offset + page.length,
  )
  if (extents.length !== prefix.readUInt32BE(4) || !within) throw corruptExtents('page run', page)
  return extents
}

/** Content hash of more than one extent: SHA-256 over "agentfs/extents/v1\0" and each extent's offset, length, part offset and keyed hash. */
export function extentsHash(extents: readonly Extent[]): Buffer {
  const hash = createHash('sha256').update('agentfs/extents/v1\0')
  const encoded = encodeExtents(extents)
  for (let at = 0; at < encoded.length; at += EXTENT_BYTES)
    hash.update(encoded.subarray(at, at + 16)).update(encoded.subarray(at + 48, at + EXTENT_BYTES))
  return hash.digest()
}

/**
 * Content hash of a version whose extents stand in pages: SHA-256 over "agentfs/pages/v1\0" and each page's offset, length and
 * keyed hash. A page that did not change counts by its hash alone, so that an edit or an append reads and hashes no other.
 */
export function pagesHash(pages: readonly Extent[]): Buffer {
  const hash = createHash('sha256').update('agentfs/pages/v1\0')
  const encoded = encodeExtents(pages)
  for (let at = 0; at < encoded.length; at += EXTENT_BYTES)
    hash.update(encoded.subarray(at, at + 16)).update(encoded.subarray(at + 56, at + EXTENT_BYTES))
  return hash.digest()
}

/** Extents that point at content lie within one part each; `object_corrupt` otherwise. */
export function requireInParts(extents: readonly Extent[]): Extent[] {
  for (const { partOffset, length } of extents)
    if (partOffset + length > PART_BYTES_MAX) throw corruptExtents('beyond part')
  return [...extents]
}

const PAGE_MAGIC = Buffer.from('AFX1', 'ascii')
const PAGE_PREFIX_BYTES = 8

function checkOrder(extents: readonly Extent[]): void {
  let end = 0
  for (const { offset, length, partOffset } of extents) {
    if (![offset, length, partOffset, offset + length].every(Number.isSafeInteger))
      throw corruptExtents('number')
    if (offset < end || length < 1 || partOffset < 0) throw corruptExtents('order')
    end = offset + length
  }
}

function readSafe(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64BE(at))
}

function corruptExtents(reason: string, page?: Extent): AgentfsError {
  const named = page === undefined ? {} : { objectId: page.partId, objectKind: 'part', keyId: page.keyId }
  return new AgentfsError('object_corrupt', { ...named, reason: `extents: ${reason}` })
}
