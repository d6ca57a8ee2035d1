import { type LiveSegment, segmentOverheadBytes } from '@agentfs/storage'

/**
 * Which segments may be worth a rewrite: below this share of itself one is rewritten; below this size it is small, and so
 * many small neighbours are merged.
 */
export const WANTED = { liveShareMin: 0.5, smallBytes: 1024 * 1024 }
const SMALL_MIN = 8
/**
 * Small segments that are younger are left: of a log that is appended to nearly all in them dies when its versions become
 * beginnings of a later one, an hour or two after they were written, and what is merged before that is written for nothing.
 */
const MERGED_AGE_MS_MIN = 3 * 3_600_000
/** What is read, and written, in one go. */
const READ_BYTES_MAX = 16 * 1024 * 1024
const WRITE_BYTES_MAX = 4 * 1024 * 1024

/**
 * The first run of neighbours (of one stream and epoch, oldest first) worth a rewrite: segments of which less than half is
 * live, or many small ones that are not young; undefined where all is well. Empty ones count as sparse.
 */
export function planCompaction(segments: readonly LiveSegment[], nowMs: number): LiveSegment[] | undefined {
  const wanted = (segment: LiveSegment): boolean => isSparse(segment) || isSmall(segment, nowMs)
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

function isSmall({ size, createdAt }: LiveSegment, nowMs: number): boolean {
  return size < WANTED.smallBytes && nowMs - createdAt.getTime() >= MERGED_AGE_MS_MIN
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
