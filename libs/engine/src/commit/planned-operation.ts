import type { AuditAction, Operation } from '@agentfs/contracts'
import type { Extent } from '@agentfs/crypto'
import type { BuiltVersion } from '../content/built-content.js'
import type { SealedPart } from '../content/sealed-part.js'
import type { NewKey, UsableKey } from '../keys/key-vault.js'

/** An operation with what the door knows beyond it. */
export interface PlannedOperation {
  readonly operation: Operation
  /** Replaces whatever the head is by then: the base is set under the lock. */
  readonly unconditional?: boolean
  /** Content already built and sealed (a stream that went up in parts); else it is built from the operation. */
  readonly content?: WholeContent
  /** The name of the effect in the record, where it is not what the operation is called. */
  readonly action?: AuditAction
}

/** Content that does not depend on the head. */
export interface WholeContent {
  readonly kind: 'whole'
  readonly version: BuiltVersion
  readonly parts: readonly SealedPart[]
  /** Parts that went up before, to be named by this commit. */
  readonly uploaded: readonly string[]
  /** Objects that hold some of them. */
  readonly objectIds: readonly string[]
  readonly key: UsableKey
  /** Where the key is new: its row, to be committed with the content. */
  readonly newKey?: NewKey
}

/** Bytes to add to whatever the head is [CON-2]. */
export interface AppendedContent {
  readonly kind: 'append'
  readonly parts: readonly SealedPart[]
  /** Parts that went up before, and objects that hold some of them. */
  readonly uploaded: readonly string[]
  readonly objectIds: readonly string[]
  readonly key: UsableKey
  /** Where the bytes are, as if the file began with them. */
  readonly extents: readonly Extent[]
  readonly size: number
  /** The bytes themselves where they are few enough for a content hash over bytes; else empty. */
  readonly data: Uint8Array
  /** Trailing extents of the head, and one part that holds the same bytes: put in their place where they still stand. */
  readonly coalesced: { readonly extents: readonly Extent[]; readonly part: SealedPart } | null
}

/** An operation that can go nowhere, known before the lock. */
export interface FailedContent {
  readonly kind: 'failed'
  readonly result:
    | { readonly status: 'parts_missing'; readonly parts: string[] }
    | {
        readonly status: 'refused'
        readonly code: 'version_conflict' | 'too_large' | 'invalid_request'
        readonly message: string
      }
}

/** What was built for a content operation. */
export type PreparedContent = WholeContent | AppendedContent | FailedContent

/** All that was made before the lock. */
export interface Prepared {
  readonly contents: ReadonlyMap<number, PreparedContent>
  readonly newKeys: readonly NewKey[]
  /** Keys that were there, and must still be under the lock. */
  readonly knownKeyIds: readonly string[]
  readonly streamKey: UsableKey
  /** Tails that are joined here; free for others once this is committed, or given up. */
  readonly joinedTails: readonly string[]
}

/** Thrown under the lock where content must be built on what the tree is now. */
export class PrepareAgain extends Error {
  constructor(why: string) {
    super(`prepare again: ${why}`)
  }
}
