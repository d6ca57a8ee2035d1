import { hash } from 'node:crypto'
import { isAgentfsError, type VersionImage } from '@agentfs/contracts'
import { type Extent, type Manifest, openedLength, openManifest } from '@agentfs/crypto'
import type { StoredPartRow, StoredVersionRow } from '@agentfs/storage'
import { hashesBytes } from '../content/content-hash.js'
import type { UsableKey } from '../keys/key-vault.js'
import type { FoundEntry, StoredCommit } from './stream-commits.js'

/** A part as a manifest names it. */
export interface PartFact {
  readonly partId: string
  readonly keyId: string
  readonly nodeId: string
  readonly contentMac: Uint8Array
  readonly seq: number
  readonly createdAt: Date
  /** Of a page of extents: the parts that it names. */
  readonly partIds: readonly string[] | null
}

/** A version whose sealed manifest was found, and proven to be the one that its record pins. */
export interface PinnedVersion {
  readonly image: VersionImage
  readonly entry: FoundEntry
  readonly epoch: number
  readonly seq: number
  readonly at: Date
  readonly author: string
}

/** Gives the extents of a page; undefined where it is nowhere, its key is gone, or it was read before. */
export type ReadPage = (page: Extent) => Promise<readonly Extent[] | undefined>

const NO_HASH = new Uint8Array(0)

/** The manifest that a record pins, among all copies that segments hold of it; undefined where none is whole. */
export function pinnedManifest(image: VersionImage, commit: StoredCommit): FoundEntry | undefined {
  return commit.manifests
    .get(image.id)
    ?.find(({ sealed }) => hash('sha256', sealed, 'hex') === image.manifestHash)
}

/**
 * The row of a version, and what its manifest says of parts. Without the key (it was erased, or is lost) the row says what
 * the record knows: the version is listed, and its content opens for nobody.
 */
export async function versionOf(
  tenantId: string,
  pinned: PinnedVersion,
  key: UsableKey | undefined,
  readPage: ReadPage,
): Promise<{ readonly row: StoredVersionRow; readonly facts: readonly PartFact[] }> {
  const { image, entry, epoch, seq, at } = pinned
  const { id: versionId, node: nodeId, number, parents, size } = image
  const { objectId, offset, length, keyId } = entry
  const known = { versionId, nodeId, number, parents, size, keyId, epoch, seq, objectId, offset, length }
  const manifest = key === undefined ? undefined : openOrNothing(tenantId, key, versionId, entry.sealed)
  if (manifest === undefined) {
    const row = { ...known, author: pinned.author, contentMac: NO_HASH, partIds: [], createdAt: at }
    return { row, facts: [] }
  }
  const named = manifest.extents.kind === 'inline' ? manifest.extents.extents : manifest.extents.pages
  const factOf = (extent: Extent, partIds: readonly string[] | null): PartFact => {
    const { partId, keyId: partKeyId, mac } = extent
    return { partId, keyId: partKeyId, nodeId, contentMac: mac, seq, createdAt: at, partIds }
  }
  const facts: PartFact[] = []
  for (const extent of named) {
    const within = manifest.extents.kind === 'inline' ? undefined : await readPage(extent)
    facts.push(factOf(extent, within === undefined ? null : idsOf(within)))
    for (const inner of within ?? []) facts.push(factOf(inner, null))
  }
  const row = {
    ...known,
    author: manifest.author,
    contentMac: contentMacOf(manifest),
    partIds: idsOf(named),
    createdAt: new Date(manifest.createdAtMs),
  }
  return { row, facts }
}

/** The row of a part that a segment holds; what hashes it is told by the manifests. */
export function partRowOf(
  entry: FoundEntry,
  fact: PartFact | undefined,
  commit: { readonly epoch: number; readonly at: Date; readonly nodeId: string },
): StoredPartRow {
  const { id: partId, keyId, seq, objectId, offset, length } = entry
  return {
    partId,
    keyId,
    seq,
    objectId,
    offset,
    length,
    size: openedLength(length),
    nodeId: fact?.nodeId ?? commit.nodeId,
    contentMac: fact?.contentMac ?? NO_HASH,
    partIds: fact?.partIds ?? null,
    epoch: commit.epoch,
    createdAt: commit.at,
  }
}

function openOrNothing(
  tenantId: string,
  key: UsableKey,
  versionId: string,
  sealed: Uint8Array,
): Manifest | undefined {
  try {
    return openManifest({ tenantId, ...key }, versionId, sealed)
  } catch (error) {
    // Pinned by its record, yet under a key that is another one by now: it opens for nobody.
    if (isAgentfsError(error, 'object_corrupt')) return undefined
    throw error
  }
}

function idsOf(extents: readonly Extent[]): string[] {
  return [...new Set(extents.map(({ partId }) => partId))]
}

/** The keyed hash that tells identical bytes: the only part's, where it is the whole content; else the content's own. */
function contentMacOf({ size, extents, contentHash }: Manifest): Uint8Array {
  if (extents.kind === 'paged') return contentHash
  const [only] = extents.extents
  if (only === undefined || !hashesBytes(size, extents)) return contentHash
  return only.offset === 0 && only.length === size ? only.mac : contentHash
}
