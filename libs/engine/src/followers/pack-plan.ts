import type { StagedCommit } from '@agentfs/storage'

/** A segment is closed at this many sealed bytes; a single commit may exceed them. */
export const PACK_BYTES_MAX = 4 * 1024 * 1024
/** A stream with anything this old is packed, however little it is. */
export const STAGED_AGE_MS_MAX = 60_000

/** Whole commits of one epoch, for one segment. */
export interface PackPlan {
  readonly epoch: number
  readonly firstSeq: number
  readonly lastSeq: number
  readonly bytes: number
}

/**
 * The longest run of commits that fits a segment, oldest first: at least one, never part of one, never of two epochs.
 * Undefined where nothing waits.
 */
export function planSegment(
  commits: readonly StagedCommit[],
  bytesMax = PACK_BYTES_MAX,
): PackPlan | undefined {
  const [first] = commits
  if (first === undefined) return undefined
  let { bytes } = first
  let lastSeq = first.seq
  for (const commit of commits.slice(1)) {
    if (commit.epoch !== first.epoch || bytes + commit.bytes > bytesMax) break
    bytes += commit.bytes
    lastSeq = commit.seq
  }
  return { epoch: first.epoch, firstSeq: first.seq, lastSeq, bytes }
}

/** What decides whether a stream should be packed now. */
export interface StagedState {
  readonly stagedBytes: number
  readonly stagedSince: Date | null
  readonly flushRequestedAt: string | null
}

/** True where something waits that is large enough, old enough, or was asked for. */
export function isDue(state: StagedState, nowMs: number): boolean {
  if (state.stagedSince === null) return false
  if (state.flushRequestedAt !== null || state.stagedBytes >= PACK_BYTES_MAX) return true
  return nowMs - state.stagedSince.getTime() >= STAGED_AGE_MS_MAX
}
