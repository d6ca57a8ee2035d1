/** The blob of a segment that is a hole: zeros, for which nothing is kept. Blobs are numbered from 1 on. */
export const NO_BLOB = 0

/** Bytes [start, end) of a file, standing in a blob from `blobOffset` on. */
export interface Segment {
  readonly start: number
  readonly end: number
  readonly blob: number
  readonly blobOffset: number
}

/** Lays a segment over others. They are in order and do not overlap, before and after. */
export function laySegment(segments: Segment[], laid: Segment): void {
  const last = segments.at(-1)
  if (last === undefined || last.end <= laid.start) {
    segments.push(laid)
    return
  }
  const first = firstEndingAfter(segments, laid.start)
  let after = first
  const replacement: Segment[] = []
  const head = segments[first]
  if (head !== undefined && head.start < laid.start) replacement.push({ ...head, end: laid.start })
  replacement.push(laid)
  for (; after < segments.length; after++) {
    const segment = segments[after]
    if (segment === undefined || segment.start >= laid.end) break
    if (segment.end > laid.end) replacement.push(from(segment, laid.end))
  }
  segments.splice(first, after - first, ...replacement)
}

/** Cuts everything from `size` on. */
export function cutSegments(segments: Segment[], size: number): void {
  for (let last = segments.at(-1); last !== undefined && last.end > size; last = segments.at(-1)) {
    segments.pop()
    if (last.start < size) {
      segments.push({ ...last, end: size })
      return
    }
  }
}

/** The parts of the segments within [start, end), in order. */
export function segmentsWithin(segments: readonly Segment[], start: number, end: number): Segment[] {
  const found: Segment[] = []
  for (let index = firstEndingAfter(segments, start); index < segments.length; index++) {
    const segment = segments[index]
    if (segment === undefined || segment.start >= end) break
    const clipped = segment.start < start ? from(segment, start) : segment
    found.push(clipped.end > end ? { ...clipped, end } : clipped)
  }
  return found
}

/** The ranges of [start, end) that no segment covers, in order. */
export function gapsWithin(
  segments: readonly Segment[],
  start: number,
  end: number,
): { start: number; end: number }[] {
  const gaps: { start: number; end: number }[] = []
  let at = start
  for (const segment of segmentsWithin(segments, start, end)) {
    if (segment.start > at) gaps.push({ start: at, end: segment.start })
    at = segment.end
  }
  if (at < end) gaps.push({ start: at, end })
  return gaps
}

function from(segment: Segment, start: number): Segment {
  return { ...segment, start, blobOffset: segment.blobOffset + start - segment.start }
}

/** The index of the first segment that ends after a place, by bisection. */
function firstEndingAfter(segments: readonly Segment[], place: number): number {
  let low = 0
  let high = segments.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const segment = segments[middle]
    if (segment !== undefined && segment.end > place) high = middle
    else low = middle + 1
  }
  return low
}
