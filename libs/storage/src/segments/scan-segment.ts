import { readEntry } from './entry-codec.js'
import { readHeader } from './header-codec.js'
import { readFooter } from './index-codec.js'
import { parseSegment } from './parse-segment.js'
import type { PlacedSegmentEntry, SegmentHeader } from './segment.js'
import { damageOf } from './segment-damage.js'
import { ENTRY_HEADER_BYTES, ENTRY_MAGIC, HEADER_BYTES } from './segment-layout.js'

/** One place where a segment is not as it was written. */
export interface SegmentDamage {
  readonly place: string
  readonly problem: string
}

/** What can be had of a segment. */
export interface ScannedSegment {
  /** Null where the header is damaged. */
  readonly header: SegmentHeader | null
  /** Entries that fit their checksums, in the order of their bytes. */
  readonly entries: readonly PlacedSegmentEntry[]
  /** Empty for a segment that is whole. */
  readonly damage: readonly SegmentDamage[]
}

/**
 * Reads what it can of a damaged segment, for `fsck` and `recover`: without the index, from entry to entry, looking for the
 * next one after a damaged place. A flipped byte costs one entry at most, a lost tail what lay in it. Never throws.
 * A payload cannot smuggle an entry in: payloads are ciphertext, which no writer chooses.
 */
export function scanSegment(bytes: Uint8Array, object: string): ScannedSegment {
  const damage: SegmentDamage[] = []
  const noted = <T>(read: () => T): T | undefined => {
    try {
      return read()
    } catch (error) {
      const found = damageOf(error)
      if (found === undefined) throw error
      damage.push(found)
      return undefined
    }
  }
  const parsed = noted(() => parseSegment(bytes, object))
  if (parsed !== undefined) return { ...parsed, damage }

  // What stopped the parser is found again, in its place, by the slower walk.
  damage.length = 0
  const head = noted(() => readHeader(bytes, object))
  const end = noted(() => readFooter(bytes, bytes.length, object))?.indexOffset ?? bytes.length
  const entries: PlacedSegmentEntry[] = []
  let start = HEADER_BYTES
  while (start >= 0 && start < end && entries.length < (head?.entryCount ?? Infinity)) {
    const at = start
    const entry = noted(() => readEntry(bytes, at, end, object))
    if (entry === undefined) start = nextEntry(bytes, start + 1, end)
    else {
      entries.push(entry)
      start = entry.offset + entry.length
    }
  }
  noted(() => parseSegment(bytes, object))
  return { header: head?.header ?? null, entries, damage: distinct(damage) }
}

function nextEntry(bytes: Uint8Array, from: number, end: number): number {
  const found = Buffer.from(bytes.buffer, bytes.byteOffset, end).indexOf(ENTRY_MAGIC, from)
  return found >= 0 && found + ENTRY_HEADER_BYTES <= end ? found : -1
}

function distinct(damage: readonly SegmentDamage[]): SegmentDamage[] {
  return [...new Map(damage.map((one) => [`${one.place} ${one.problem}`, one])).values()]
}
