import type { FileContent } from './file-content.js'
import { NO_BLOB, segmentsWithin } from './segments.js'

/**
 * The next place at or after `offset` with data, or without: SEEK_DATA and SEEK_HOLE of lseek(2). What a version of the
 * service holds counts as data, for its holes are not known here. The end of the file is a hole; undefined where the offset
 * is at it or beyond, or no data follows.
 */
export function seekContent(content: FileContent, offset: number, what: 'data' | 'hole'): number | undefined {
  if (offset >= content.size) return undefined
  let at = offset
  for (const run of runs(content, offset)) {
    if (run.data && what === 'data') return Math.max(at, run.start)
    if (!run.data && what === 'hole') return Math.max(at, run.start)
    at = run.end
  }
  return what === 'hole' ? content.size : undefined
}

/** Runs of data and of nothing from an offset to the end, in order. */
function* runs(
  content: FileContent,
  offset: number,
): Generator<{ start: number; end: number; data: boolean }> {
  const shown = Math.min(content.limit, content.below?.size ?? 0)
  let at = offset
  for (const { start, end, blob } of segmentsWithin(content.segments, offset, content.size)) {
    yield* unwritten(at, start, shown)
    yield { start, end, data: blob !== NO_BLOB }
    at = end
  }
  yield* unwritten(at, content.size, shown)
}

/** What no segment covers: the version below as far as it shows, then nothing. */
function* unwritten(
  start: number,
  end: number,
  shown: number,
): Generator<{ start: number; end: number; data: boolean }> {
  if (start < Math.min(end, shown)) yield { start, end: Math.min(end, shown), data: true }
  if (Math.max(start, shown) < end) yield { start: Math.max(start, shown), end, data: false }
}
