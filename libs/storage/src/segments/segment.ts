import type { SegmentEntryKind } from './segment-layout.js'

/** Whose records a segment holds, and which. */
export interface SegmentHeader {
  readonly segmentId: string
  readonly tenantId: string
  readonly streamId: string
  /** Null in a tenant's own stream; equal to `streamId` in an agent's stream of mutations. */
  readonly agentId: string | null
  readonly epoch: number
  readonly firstSeq: number
  readonly lastSeq: number
}

/** A sealed thing on its way into a segment, or out of it. */
export interface SegmentEntry {
  readonly kind: SegmentEntryKind
  /** The id the seal is bound to: of the part, version (manifest), record, block or image; unique within a segment. */
  readonly id: string
  /** The content, stream or subject key that opens it. */
  readonly keyId: string
  /** The seq of the commit it belongs to; a record block's first. */
  readonly seq: number
  /** How many seqs a record block covers; 1 for all else. */
  readonly count?: number
  /** Sealed bytes, as they are. */
  readonly sealed: Uint8Array
}

/** Where an entry's sealed bytes stand in the object. */
export interface SegmentPlacement {
  readonly offset: number
  readonly length: number
}

/** What the index knows of an entry. */
export interface SegmentIndexEntry extends SegmentPlacement {
  readonly kind: SegmentEntryKind
  readonly id: string
  readonly seq: number
  readonly count: number
}

/** An entry as read: `count` and the place are always known. */
export interface PlacedSegmentEntry extends SegmentEntry, SegmentPlacement {
  readonly count: number
}

/** A segment's header and index, read without its payloads. */
export interface SegmentIndex {
  readonly header: SegmentHeader
  readonly entries: readonly SegmentIndexEntry[]
}

/** A whole segment; `sealed` of its entries are views into the bytes it was parsed from. */
export interface ParsedSegment {
  readonly header: SegmentHeader
  readonly entries: readonly PlacedSegmentEntry[]
}
