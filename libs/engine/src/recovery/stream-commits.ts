import type { PlacedSegmentEntry, SegmentEntryKind } from '@agentfs/storage'
import type { Bucket, FoundSegment, UnreadObject } from './bucket.js'

/** An entry of a segment, with the segment it stands in. */
export interface FoundEntry {
  readonly kind: SegmentEntryKind
  readonly id: string
  readonly keyId: string
  readonly seq: number
  /** How many seqs a block of records covers; 1 for all else. */
  readonly count: number
  readonly objectId: string
  readonly offset: number
  readonly length: number
  /** The sealed bytes; of a part, only as long as the commit is handled. */
  readonly sealed: Uint8Array
}

/** All that the segments of an epoch hold of one commit. */
export interface StoredCommit {
  readonly seq: number
  /** Its record, or the block that holds it; several, the newest segment's first, where it was stored more than once. */
  readonly records: readonly FoundEntry[]
  readonly manifests: ReadonlyMap<string, readonly FoundEntry[]>
  readonly parts: readonly FoundEntry[]
}

/**
 * Walks through the commits of one epoch of a stream in the order of their seq, reading each segment once and whole. A
 * segment is held from its first seq to its last, so that memory is bounded by how far segments overlap. One commit may
 * stand in several: what losing packers and compaction left is as good as any other copy, and the newest comes first.
 */
export class StreamCommits {
  readonly #bucket: Bucket
  readonly #segments: FoundSegment[]
  readonly #open = new Map<
    string,
    {
      readonly lastSeq: number
      readonly entries: Map<number, FoundEntry[]>
      readonly blocks: readonly FoundEntry[]
    }
  >()
  readonly #unread: UnreadObject[]
  #next = 0

  constructor(bucket: Bucket, segments: readonly FoundSegment[], unread: UnreadObject[]) {
    this.#bucket = bucket
    this.#unread = unread
    this.#segments = [...segments].sort(
      ({ header: left }, { header: right }) =>
        left.firstSeq - right.firstSeq || (left.segmentId < right.segmentId ? -1 : 1),
    )
  }

  /** The last seq that any segment speaks of. */
  get lastSeq(): number {
    return this.#segments.reduce((last, { header }) => Math.max(last, header.lastSeq), 0)
  }

  /** The first commit of all, without going there. */
  async peekFirst(): Promise<StoredCommit | undefined> {
    const [first] = this.#segments
    if (first === undefined) return undefined
    // A segment that was rewritten still begins there, though the record went to a block.
    const { firstSeq } = first.header
    const beginning = this.#segments.filter(({ header }) => header.firstSeq === firstSeq)
    return new StreamCommits(this.#bucket, beginning, []).at(firstSeq)
  }

  /** What there is of a commit; ask in ascending order. */
  async at(seq: number): Promise<StoredCommit> {
    for (const [id, { lastSeq }] of this.#open) if (lastSeq < seq) this.#open.delete(id)
    for (; this.#next < this.#segments.length; this.#next++) {
      const segment = this.#segments[this.#next]
      if (segment === undefined || segment.header.firstSeq > seq) break
      if (segment.header.lastSeq >= seq) await this.#read(segment)
    }
    const records: FoundEntry[] = []
    const manifests = new Map<string, FoundEntry[]>()
    const parts = new Map<string, FoundEntry>()
    // Opened in no order: the newest segment's copies come first.
    const open = [...this.#open].sort(([left], [right]) => (left < right ? 1 : -1))
    for (const [, { entries, blocks }] of open) {
      records.push(...blocks.filter((block) => block.seq <= seq && seq < block.seq + block.count))
      for (const entry of entries.get(seq) ?? []) {
        if (entry.kind === 'record') records.push(entry)
        else if (entry.kind === 'manifest')
          manifests.set(entry.id, [...(manifests.get(entry.id) ?? []), entry])
        else if (entry.kind === 'part' && !parts.has(entry.id)) parts.set(entry.id, entry)
      }
    }
    return { seq, records, manifests, parts: [...parts.values()] }
  }

  async #read({ key, header }: FoundSegment): Promise<void> {
    const scanned = await this.#bucket.scan(key)
    for (const { place, problem } of scanned.damage)
      this.#unread.push({ object: key, problem: `${place} ${problem}` })
    const entries = new Map<number, FoundEntry[]>()
    const blocks: FoundEntry[] = []
    for (const entry of scanned.entries) {
      const found = foundEntry(header.segmentId, entry)
      if (entry.kind === 'recordBlock') {
        blocks.push(found)
        continue
      }
      const known = entries.get(entry.seq)
      if (known === undefined) entries.set(entry.seq, [found])
      else known.push(found)
    }
    this.#open.set(header.segmentId, { lastSeq: header.lastSeq, entries, blocks })
  }
}

function foundEntry(objectId: string, entry: PlacedSegmentEntry): FoundEntry {
  const { kind, id, keyId, seq, count, offset, length, sealed } = entry
  return { kind, id, keyId, seq, count, objectId, offset, length, sealed }
}
