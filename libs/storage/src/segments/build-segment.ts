import { createHash } from 'node:crypto'
import { AgentfsError, isUuid } from '@agentfs/contracts'
import { writeEntry } from './entry-codec.js'
import { writeHeader } from './header-codec.js'
import { writeFooter, writeIndex } from './index-codec.js'
import type { SegmentEntry, SegmentHeader, SegmentIndexEntry, SegmentPlacement } from './segment.js'
import {
  ENTRY_HEADER_BYTES,
  HEADER_BYTES,
  SEGMENT_BYTES_MAX,
  segmentOverheadBytes,
} from './segment-layout.js'

/** A segment ready to be stored. */
export interface BuiltSegment {
  readonly bytes: Uint8Array
  /** By entry id: where its sealed bytes stand. */
  readonly placements: ReadonlyMap<string, SegmentPlacement>
  /** The footer's SHA-256, of all bytes before the footer; the object row keeps it. */
  readonly sha256: Uint8Array
}

/**
 * Packs sealed entries, in the order given, into the bytes of a segment; pure, so the same input gives the same bytes.
 * Throws `invalid_request` for input that no reader would take: no entries, an id twice, a seq out of the range, a count
 * on anything but a record block; `too_large` above SEGMENT_BYTES_MAX.
 */
export function buildSegment(
  segment: SegmentHeader & { readonly entries: readonly SegmentEntry[] },
): BuiltSegment {
  const { entries } = segment
  assertHeader(segment)
  for (const entry of entries) assertEntry(segment, entry)
  const payloadBytes = entries.reduce((sum, { sealed }) => sum + sealed.length, 0)
  const size = payloadBytes + segmentOverheadBytes(entries.length)
  if (size > SEGMENT_BYTES_MAX) throw new AgentfsError('too_large', { detail: `a segment of ${size} bytes` })

  const bytes = Buffer.alloc(size)
  writeHeader(bytes, segment, entries.length)
  const index: SegmentIndexEntry[] = []
  const placements = new Map<string, SegmentPlacement>()
  let offset = HEADER_BYTES
  for (const entry of entries) {
    if (placements.has(entry.id)) throw refused(`entry ${entry.id} stands in it twice`)
    const placement = { offset: offset + ENTRY_HEADER_BYTES, length: entry.sealed.length }
    placements.set(entry.id, placement)
    index.push({ kind: entry.kind, id: entry.id, seq: entry.seq, count: entry.count ?? 1, ...placement })
    offset = writeEntry(bytes, offset, entry)
  }
  const end = writeIndex(bytes, offset, index)
  const sha256 = createHash('sha256').update(bytes.subarray(0, end)).digest()
  writeFooter(bytes, end, { sha256, indexOffset: offset, entryCount: entries.length })
  return { bytes, placements, sha256 }
}

function assertHeader(segment: SegmentHeader & { readonly entries: readonly SegmentEntry[] }): void {
  const { segmentId, tenantId, streamId, agentId, epoch, firstSeq, lastSeq } = segment
  for (const id of [segmentId, tenantId, streamId, ...(agentId === null ? [] : [agentId])]) {
    // The zero id means: no agent.
    if (!isUuid(id) || /^[0-]+$/.test(id)) throw refused(`${id} is no id`)
  }
  if (!Number.isInteger(epoch) || epoch < 0 || epoch > 0xffffffff) throw refused(`${epoch} is no epoch`)
  if (!isSeq(firstSeq) || !isSeq(lastSeq) || firstSeq > lastSeq)
    throw refused(`${firstSeq} to ${lastSeq} is no range of seqs`)
  if (segment.entries.length === 0) throw refused('it has no entries')
}

function assertEntry(
  { firstSeq, lastSeq }: SegmentHeader,
  { kind, id, keyId, seq, count = 1 }: SegmentEntry,
): void {
  if (!isUuid(id) || !isUuid(keyId)) throw refused(`${kind} ${id} under ${keyId}: not ids`)
  if (!Number.isInteger(count) || count < 1 || (count > 1 && kind !== 'recordBlock'))
    throw refused(`${kind} ${id} counts ${count} seqs`)
  if (!isSeq(seq) || seq < firstSeq || seq + count - 1 > lastSeq)
    throw refused(`${kind} ${id} is of seq ${seq}, out of the range`)
}

function isSeq(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function refused(why: string): AgentfsError {
  return new AgentfsError('invalid_request', { detail: `not a segment: ${why}` })
}
