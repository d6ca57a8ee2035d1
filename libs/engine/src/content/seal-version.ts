import { sealManifest } from '@agentfs/crypto'
import type { UsableKey } from '../keys/key-vault.js'
import type { BuiltVersion } from './built-content.js'
import { partIdsOf } from './layout.js'

/** What a version gets with its place in the tree. */
export interface VersionPlace {
  readonly versionId: string
  readonly number: number
  readonly parents: readonly string[]
  readonly author: string
  readonly createdAtMs: number
}

/** A sealed manifest, with the parts it names: extents, or pages of extents, which name theirs. */
export interface SealedVersion {
  readonly manifest: Uint8Array
  readonly partIds: readonly string[]
}

/** Seals a version's manifest. */
export function sealVersion(
  tenantId: string,
  key: UsableKey,
  { size, contentHash, layout }: BuiltVersion,
  place: VersionPlace,
): SealedVersion {
  const manifest = sealManifest({ tenantId, ...key }, { ...place, size, contentHash, extents: layout })
  return { manifest, partIds: partIdsOf(layout) }
}
