// A manifest: what a version is made of. Integers are big-endian.
//
//   0   "AFM1"
//   4   version id[16]
//   20  number u32
//   24  created_at u64      milliseconds since 1970
//   32  size u64
//   40  content hash[32]    SHA-256 of the content up to 1 MiB, above that extentsHash of all extents, or pagesHash
//   72  flags u8            bit 0: the entries are pages of extents; bit 1: the content hash is pagesHash of these
//   73  parents u8          count
//   74  author u16          bytes of UTF-8
//   76  entries u32         count
//   80  parent ids[16 each] | author | entries[88 each]
//
// One content has one encoding. A manifest of a one-part file by `agent/research` with one parent is 198 bytes.
import { AgentfsError, isAgentfsError } from '@agentfs/contracts'
import { contentMac, contentMacKey, sameContentMac } from './content-mac.js'
import {
  decodeExtentPage,
  decodeExtents,
  encodeExtents,
  EXTENT_BYTES,
  type Extent,
  EXTENTS_INLINE_MAX,
  extentsHash,
  pagesHash,
  PART_BYTES_MAX,
  requireInParts,
} from './extent.js'
import {
  type ObjectBinding,
  openObject,
  type OpeningKey,
  sealObject,
  type SealingKey,
} from './sealed-object.js'
import { UUID_BYTES, uuidFromBytes, uuidToBytes } from './uuid-bytes.js'

/** What a version is made of. */
export interface Manifest {
  readonly versionId: string
  /** Counter per node, for people. */
  readonly number: number
  readonly parents: readonly string[]
  readonly author: string
  readonly createdAtMs: number
  readonly size: number
  /** 32 bytes: SHA-256 of the content up to 1 MiB, above that `extentsHash` of all extents, or `pagesHash` of all pages. */
  readonly contentHash: Uint8Array
  readonly extents: ManifestExtents
}

/**
 * Up to 64 extents stand in the manifest itself; above, it lists the pages that hold them, which versions share. The content
 * hash of a paged manifest is `pagesHash`, but in those of the first releases, where it covers the `extents` in all pages.
 */
export type ManifestExtents =
  | { readonly kind: 'inline'; readonly extents: readonly Extent[] }
  | { readonly kind: 'paged'; readonly pages: readonly Extent[]; readonly hashed?: 'extents' }

/** Where a manifest belongs; its object id is the version's id. */
export type ManifestBinding = Omit<ObjectBinding, 'kind' | 'objectId'>

/** Encodes and seals a manifest under one of its node's content keys. */
export function sealManifest(
  target: ManifestBinding & SealingKey,
  manifest: Manifest,
  salt?: Uint8Array,
): Buffer {
  const binding = { ...target, kind: 'manifest', objectId: manifest.versionId } as const
  return sealObject(binding, encodeManifest(manifest), salt)
}

/** Opens a version's manifest; `object_corrupt`, naming the version, unless all it says holds together. */
export function openManifest(
  source: ManifestBinding & OpeningKey,
  versionId: string,
  sealed: Uint8Array,
): Manifest {
  const encoded = openObject({ ...source, kind: 'manifest', objectId: versionId }, sealed)
  try {
    const manifest = decodeManifest(encoded)
    if (manifest.versionId !== versionId) throw corrupt('version')
    return manifest
  } catch (error) {
    if (!isAgentfsError(error, 'object_corrupt')) throw error
    const { keyId } = source
    const named = { ...error.details, objectId: versionId, objectKind: 'manifest', keyId }
    throw new AgentfsError('object_corrupt', named, { cause: error })
  }
}

/** The bytes of a manifest, after checking what `decodeManifest` checks. */
export function encodeManifest(manifest: Manifest): Buffer {
  check(manifest)
  const author = Buffer.from(manifest.author, 'utf8')
  const entries = encodeExtents(manifestEntries(manifest))
  const fixed = Buffer.alloc(FIXED_BYTES)
  fixed.set(MAGIC, 0)
  fixed.set(uuidToBytes(manifest.versionId), 4)
  fixed.writeUInt32BE(manifest.number, 20)
  fixed.writeBigUInt64BE(BigInt(manifest.createdAtMs), 24)
  fixed.writeBigUInt64BE(BigInt(manifest.size), 32)
  fixed.set(manifest.contentHash, 40)
  fixed.writeUInt8(flagsOf(manifest.extents), 72)
  fixed.writeUInt8(manifest.parents.length, 73)
  fixed.writeUInt16BE(author.length, 74)
  fixed.writeUInt32BE(entries.length / EXTENT_BYTES, 76)
  return Buffer.concat([fixed, ...manifest.parents.map(uuidToBytes), author, entries])
}

/** Reads a manifest; `object_corrupt` unless extents are ordered, disjoint, within the size, and hashed as it says. */
export function decodeManifest(bytes: Uint8Array): Manifest {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.length < FIXED_BYTES || !view.subarray(0, 4).equals(MAGIC)) throw corrupt('format')
  const flags = view.readUInt8(72)
  if (![0, FLAG_PAGED, FLAG_PAGED | FLAG_PAGES_HASHED].includes(flags)) throw corrupt('format')
  const authorAt = FIXED_BYTES + view.readUInt8(73) * UUID_BYTES
  const entriesAt = authorAt + view.readUInt16BE(74)
  if (view.length !== entriesAt + view.readUInt32BE(76) * EXTENT_BYTES) throw corrupt('length')
  const entries = decodeExtents(view.subarray(entriesAt))
  const manifest: Manifest = {
    versionId: uuidFromBytes(view.subarray(4, 20)),
    number: view.readUInt32BE(20),
    parents: readParents(view.subarray(FIXED_BYTES, authorAt)),
    author: readAuthor(view.subarray(authorAt, entriesAt)),
    createdAtMs: Number(view.readBigUInt64BE(24)),
    size: Number(view.readBigUInt64BE(32)),
    contentHash: Buffer.from(view.subarray(40, 72)),
    extents: extentsOf(flags, entries),
  }
  check(manifest)
  return manifest
}

/**
 * Checks all extents read from the pages of a manifest whose hash covers extents; `object_corrupt` if they differ. Where the
 * hash covers pages, `openExtentPage` is all the proof there is and needs.
 */
export function verifyPagedExtents(manifest: Manifest, extents: readonly Extent[]): void {
  if (manifest.extents.kind === 'paged' && manifest.extents.hashed === undefined) return
  if (manifest.size > PART_BYTES_MAX && !extentsHash(extents).equals(manifest.contentHash))
    throw new AgentfsError('object_corrupt', {
      objectId: manifest.versionId,
      objectKind: 'manifest',
      reason: 'content hash',
    })
}

/** Opens a page of extents as a manifest names it; `object_corrupt`, naming the page, unless it is that very page. */
export function openExtentPage(
  source: ManifestBinding & OpeningKey,
  page: Extent,
  sealed: Uint8Array,
): Extent[] {
  const plaintext = openObject({ ...source, kind: 'part', objectId: page.partId }, sealed)
  if (!sameContentMac(contentMac(contentMacKey(source.key), plaintext), page.mac)) {
    const { partId, keyId } = page
    throw new AgentfsError('object_corrupt', {
      objectId: partId,
      objectKind: 'part',
      keyId,
      reason: 'page hash',
    })
  }
  return decodeExtentPage(page, plaintext)
}

const MAGIC = Buffer.from('AFM1', 'ascii')
const FIXED_BYTES = 80
const FLAG_PAGED = 1
const FLAG_PAGES_HASHED = 2
const HASH_BYTES = 32

function manifestEntries({ extents }: Manifest): readonly Extent[] {
  return extents.kind === 'paged' ? extents.pages : extents.extents
}

function flagsOf(extents: ManifestExtents): number {
  if (extents.kind === 'inline') return 0
  return extents.hashed === 'extents' ? FLAG_PAGED : FLAG_PAGED | FLAG_PAGES_HASHED
}

function extentsOf(flags: number, entries: readonly Extent[]): ManifestExtents {
  if (flags === 0) return { kind: 'inline', extents: entries }
  return { kind: 'paged', pages: entries, ...(flags === FLAG_PAGED ? { hashed: 'extents' } : {}) }
}

function check(manifest: Manifest): void {
  const entries = manifestEntries(manifest)
  const last = entries.at(-1)
  if (manifest.number < 1 || manifest.contentHash.length !== HASH_BYTES) throw corrupt('field')
  if (![manifest.size, manifest.createdAtMs].every((value) => Number.isSafeInteger(value) && value >= 0))
    throw corrupt('field')
  if (last !== undefined && last.offset + last.length > manifest.size) throw corrupt('size')
  if (manifest.extents.kind === 'paged') {
    if (manifest.extents.hashed === undefined && !pagesHash(entries).equals(manifest.contentHash))
      throw corrupt('content hash')
    return
  }
  if (entries.length > EXTENTS_INLINE_MAX) throw corrupt('too many extents')
  requireInParts(entries)
  if (manifest.size > PART_BYTES_MAX && !extentsHash(entries).equals(manifest.contentHash))
    throw corrupt('content hash')
}

function readParents(bytes: Buffer): string[] {
  return Array.from({ length: bytes.length / UUID_BYTES }, (_, index) =>
    uuidFromBytes(bytes.subarray(index * UUID_BYTES, (index + 1) * UUID_BYTES)),
  )
}

function readAuthor(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw corrupt('author', cause)
  }
}

function corrupt(reason: string, cause?: unknown): AgentfsError {
  return new AgentfsError(
    'object_corrupt',
    { objectKind: 'manifest', reason: `manifest: ${reason}` },
    { cause },
  )
}
