import type { CommitFrame, ContentItem, PushAnswer, SnapshotRow } from '@agentfs/contracts'
import type { BlockAddress, Invalidation, RejectedItem, StoreStatus } from './store-types.js'

/** The address up to which the store has folded the agent's stream; null before the first snapshot. */
export interface StreamAddress {
  readonly epoch: number
  readonly seq: number
}

/** A part to upload before its push [SY-13]; its bytes come from `readPart`. */
export interface FrozenPart {
  readonly part: string
  readonly node: string
  /** The directory of a node that the service does not know yet. */
  readonly parent?: string
  readonly length: number
}

/** A push as it was first sent and will be sent for ever [SY-8]. */
export interface FrozenPush {
  readonly number: number
  readonly digest: string
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly parts: readonly FrozenPart[]
}

/** How much one push may hold. */
export interface PushLimits {
  readonly operationsMax: number
  readonly bytesMax: number
}

/** What became of a push locally. `behind`: fold the stream up to `through` first, then settle again. */
export type SettleOutcome =
  | {
      readonly kind: 'settled'
      readonly invalidations: readonly Invalidation[]
      readonly rejected: readonly RejectedItem[]
      /** The cache is over its budget with what may not go before the service has stored it. */
      readonly crowded: boolean
    }
  | { readonly kind: 'behind'; readonly through: number }

/** A small file that is not cached. */
export interface UncachedFile {
  readonly node: string
  readonly version: string
  readonly size: number
}

/**
 * What the sync engine needs of a store. Synchronous on the store's thread; the engine calls it through an AsyncStore.
 * Each method is one local transaction.
 */
export interface EngineStore {
  /** Where the store stands. */
  address(): StreamAddress | null
  status(): StoreStatus

  /** Starts a fresh picture of the tree, beside the one that is shown [SY-2]. */
  beginSnapshot(epoch: number, seq0: number, root: string): void
  /** Adds a page to it. */
  addSnapshotRows(rows: readonly SnapshotRow[]): void
  /** Folds commits after `seq0` into it, older post-images losing. */
  addSnapshotCommits(commits: readonly CommitFrame[]): void
  /** Shows it, at `seq`, with the journal applied on top [VIS-5]; what a new epoch lacks is rejected [SY-4]. */
  finishSnapshot(seq: number): readonly Invalidation[]

  /** Folds the next commit; commits at or below the address are ignored, a gap throws. The store's own are refused while their push is in flight. */
  applyCommit(commit: CommitFrame, contents: readonly ContentItem[]): readonly Invalidation[]
  /** Moves the address over commits in which nothing is visible [SY-5]. */
  advance(epoch: number, seq: number): void
  /** Notes how far the service has stored. */
  setStored(seq: number): void

  /** The push in flight, or a new one; null where nothing is to be sent. A `journaled` event follows where more waits. */
  freezePush(limits: PushLimits): FrozenPush | null
  /** The plain bytes of a part of the push in flight. */
  readPart(part: string): Uint8Array<ArrayBuffer>
  /** Removes what the answer acknowledges from the journal [DUR-4], folds its commit, rejects what it refused [SY-7]. */
  settlePush(answer: PushAnswer): SettleOutcome
  /** The whole push was refused for good: everything in it is rejected with the reason. */
  rejectPush(code: string, message: string): SettleOutcome
  /** After `store_unreadable`: rejects what has lost its bytes, with its dependents; null where nothing has. */
  rejectTorn(): SettleOutcome | null
  /** After `store_forked`: unacknowledged work gets a new store id and starts at push 1 [SY-8]. */
  fork(): void

  /** Keeps a block that the service delivered. */
  provide(address: BlockAddress, bytes: Uint8Array): void
  /** Fails the reads that wait for blocks. */
  failBlocks(blocks: readonly BlockAddress[], error: Error): void
  /** Keeps whole small contents. */
  provideContents(items: readonly ContentItem[]): void
  /** Small files without cached content, newest first, up to a budget. */
  uncached(sizeMax: number, bytesMax: number, countMax: number): readonly UncachedFile[]

  /** The credential was refused: cached contents are deleted, the journal stays [SY-1]. */
  revoke(): void
  /** The credential holds again. */
  reinstate(): void
  /** A hash over the confirmed tree, for comparing with the service's [SY-19]. */
  treeHash(): string
  /** The paths (as the user sees them) of what is journaled and not acknowledged, each once; for `unmount` and `sync` [DUR-8]. */
  journaledPaths(): readonly string[]
  /** Inodes with an open handle: what the kernel must forget by itself when the feed falls silent [VIS-4]. */
  openInodes(): readonly number[]
  /** Work for quiet moments: checkpoint, eviction. */
  maintain(): void
}
