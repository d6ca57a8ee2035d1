import { type LiveSegment, segmentOverheadBytes } from '@agentfs/storage'

/**
 * Which segments may be worth a rewrite: below this share of itself one is rewritten; below this size it is small, and so
 * many small neighbours are merged.
 */
export const WANTED = { liveShareMin: 0.5, smallBytes: 1024 * 1024 }
const SMALL_MIN = 8
/** What is read, and written, in one go. */
const READ_BYTES_MAX = 16 * 1024 * 1024
const WRITE_BYTES_MAX = 4 * 1024 * 1024

/**
 * The first run of neighbours (of one stream and epoch, oldest first) worth a rewrite: segments of which less than half is
 * live, or many small ones; undefined where all is well. Empty ones count as sparse.
 */
export function planCompaction(segments: readonly LiveSegment[]): LiveSegment[] | undefined {
  let run: LiveSegment[] = []
  for (const segment of segments) {
    const last = run.at(-1)
    const fits = last === undefined || (last.epoch === segment.epoch && withinBounds([...run, segment]))
    if (wanted(segment) && fits) {
      run.push(segment)
      continue
    }
    if (worthwhile(run)) return run
    run = wanted(segment) ? [segment] : []
  }
  return worthwhile(run) ? run : undefined
}

function withinBounds(run: readonly LiveSegment[]): boolean {
  const read = run.reduce((sum, { size }) => sum + size, 0)
  return read <= READ_BYTES_MAX && rewrittenBytes(run) <= WRITE_BYTES_MAX
}

function worthwhile(run: readonly LiveSegment[]): boolean {
  return run.some(isSparse) || run.length >= SMALL_MIN
}

function wanted(segment: LiveSegment): boolean {
  return isSparse(segment) || segment.size < WANTED.smallBytes
}

/** Measured by what it would become: entries cost bytes of their own, and a rewrite must always gain. */
function isSparse(segment: LiveSegment): boolean {
  return segment.liveEntries === 0 || rewrittenBytes([segment]) < segment.size * WANTED.liveShareMin
}

/** The size that one segment with all that is live in some would have. */
export function rewrittenBytes(run: readonly LiveSegment[]): number {
  const entries = run.reduce((sum, { liveEntries }) => sum + liveEntries, 0)
  return run.reduce((sum, { liveBytes }) => sum + liveBytes, 0) + segmentOverheadBytes(entries)
}
