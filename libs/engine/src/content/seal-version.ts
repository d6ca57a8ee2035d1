import {
  encodeExtentPage,
  type Extent,
  EXTENTS_INLINE_MAX,
  EXTENTS_PER_PAGE,
  type ManifestExtents,
  sealManifest,
} from '@agentfs/crypto'
import type { UsableKey } from '../keys/key-vault.js'
import type { BuiltVersion, SealedPart } from './built-content.js'
import { sealPart } from './seal-part.js'

/** What a version gets with its place in the tree. */
export interface VersionPlace {
  readonly versionId: string
  readonly number: number
  readonly parents: readonly string[]
  readonly author: string
  readonly createdAtMs: number
}

/** A sealed manifest, with the page parts it needs. */
export interface SealedVersion {
  readonly manifest: Uint8Array
  readonly pages: readonly SealedPart[]
  readonly partIds: readonly string[]
}

/** Seals a version's manifest; above 64 extents these stand in pages, sealed as parts under the same key. */
export function sealVersion(
  tenantId: string,
  key: UsableKey,
  content: BuiltVersion,
  place: VersionPlace,
): SealedVersion {
  const { extents: listed, pages } = pageExtents(tenantId, key, content.extents)
  const manifest = sealManifest(
    { tenantId, ...key },
    { ...place, size: content.size, contentHash: content.contentHash, extents: listed },
  )
  const partIds = new Set([...content.extents, ...pages].map(({ partId }) => partId))
  return { manifest, pages, partIds: [...partIds] }
}

function pageExtents(
  tenantId: string,
  key: UsableKey,
  extents: readonly Extent[],
): { extents: ManifestExtents; pages: SealedPart[] } {
  if (extents.length <= EXTENTS_INLINE_MAX) return { extents: { kind: 'inline', extents }, pages: [] }
  const pages: SealedPart[] = []
  const entries: Extent[] = []
  for (let at = 0; at < extents.length; at += EXTENTS_PER_PAGE) {
    const run = extents.slice(at, at + EXTENTS_PER_PAGE)
    const page = sealPart(tenantId, key, encodeExtentPage(run))
    const offset = run[0]?.offset ?? 0
    const last = run.at(-1)
    const end = last === undefined ? offset : last.offset + last.length
    pages.push(page)
    entries.push({
      offset,
      length: end - offset,
      keyId: page.keyId,
      partId: page.partId,
      partOffset: 0,
      mac: page.contentMac,
    })
  }
  return { extents: { kind: 'paged', pages: entries }, pages }
}
