import type { Database, StreamKind } from '@agentfs/storage'
import type { KeyVault } from '../keys/key-vault.js'
import type { Clock } from '../ports.js'
import type { Bucket, FoundImageObject, FoundSegment } from './bucket.js'
import type { PartObjects } from './part-objects.js'
import type { Losses } from './report.js'

/** What rebuilding works with. */
export interface RebuildTools {
  readonly database: Database
  readonly vault: KeyVault
  readonly bucket: Bucket
  readonly losses: Losses
  readonly clock: Clock
  /** Called after each batch of commits was written. */
  readonly onCommits: (count: number) => void
  readonly signal?: AbortSignal
}

/** A stream to rebuild, with all segments of it that the bucket has. */
export interface StreamToRebuild {
  readonly streamId: string
  readonly kind: StreamKind
  readonly agentId: string | null
  /** Of an agent, its tree's root: files that no record names any more are counted to it. */
  readonly rootId: string | null
  readonly segments: readonly FoundSegment[]
  readonly parts: PartObjects
  readonly images: readonly FoundImageObject[]
}
