import { PART_BYTES_MAX } from '@agentfs/contracts'
import type { Extent } from '@agentfs/crypto'

/**
 * Extents below which a file's tail is left as it is. Each append seals a manifest with all of them: more make larger
 * manifests, fewer make bytes that are joined more often; together they cost least from 12 to 16.
 */
const EXTENTS_MIN = 16

/** A run of extents that lie next to one another in a file. */
export interface ExtentRun {
  /** Index of the first, and behind the last. */
  readonly first: number
  readonly end: number
  /** The bytes of the file they hold. */
  readonly from: number
  readonly to: number
}

/**
 * Which trailing extents of a file an append joins into one part: none below 16 extents; then, from the last, those that are
 * at most twice as long as all behind them, while the part stays within 1 MiB. Each byte is so rewritten a few times over
 * the life of a log, however long that gets.
 */
export function coalescibleTail(extents: readonly Extent[]): ExtentRun | undefined {
  const last = extents.at(-1)
  if (extents.length < EXTENTS_MIN || last === undefined) return undefined
  const to = last.offset + last.length
  let first = extents.length - 1
  let from = last.offset
  for (let index = first - 1; index >= 0; index--) {
    const extent = extents[index]
    if (extent === undefined || extent.length > 2 * (to - from) || to - extent.offset > PART_BYTES_MAX) break
    // A hole must stay one.
    if (extent.offset + extent.length !== from) break
    first = index
    from = extent.offset
  }
  return first === extents.length - 1 ? undefined : { first, end: extents.length, from, to }
}
