export { buildSegment, type BuiltSegment } from './build-segment.js'
export { openSegmentIndex, type ReadRange, readSegmentEntry } from './open-segment-index.js'
export { parseSegment } from './parse-segment.js'
export { type ScannedSegment, scanSegment, type SegmentDamage } from './scan-segment.js'
export type {
  ParsedSegment,
  PlacedSegmentEntry,
  SegmentEntry,
  SegmentHeader,
  SegmentIndex,
  SegmentIndexEntry,
  SegmentPlacement,
} from './segment.js'
export { SEGMENT_BYTES_MAX, type SegmentEntryKind, segmentOverheadBytes } from './segment-layout.js'
