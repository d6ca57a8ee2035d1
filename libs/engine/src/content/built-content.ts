import type { Extent } from '@agentfs/crypto'
import type { Layout } from './layout.js'

/** The content of a version before it has a place in the tree: what its manifest will say, but for number and parents. */
export interface BuiltVersion {
  readonly size: number
  readonly layout: Layout
  /** Extents of the pages that were sealed for it, by part id. */
  readonly pageExtents?: ReadonlyMap<string, readonly Extent[]>
  readonly contentHash: Uint8Array
  readonly contentMac: Uint8Array
}
