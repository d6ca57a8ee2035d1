import type { Extent } from '@agentfs/crypto'
import type { Layout } from './layout.js'

/** A part sealed for a commit: with its bytes, or as an object that was PUT before. */
export interface SealedPart {
  readonly partId: string
  readonly keyId: string
  /** Plaintext bytes. */
  readonly size: number
  readonly contentMac: Uint8Array
  readonly sealed: Uint8Array | null
  readonly sealedLength: number
  readonly objectId: string | null
  /** The parts that a page of extents lists. */
  readonly partIds?: readonly string[]
}

/** The content of a version before it has a place in the tree: what its manifest will say, but for number and parents. */
export interface BuiltVersion {
  readonly size: number
  readonly layout: Layout
  /** Extents of the pages that were sealed for it, by part id. */
  readonly pageExtents?: ReadonlyMap<string, readonly Extent[]>
  readonly contentHash: Uint8Array
  readonly contentMac: Uint8Array
}
