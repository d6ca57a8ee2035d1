import type { Extent } from '@agentfs/crypto'
import { PART_BYTES_MAX } from '@agentfs/contracts'

/** Extents below which a file's tail is left as it is. */
const EXTENTS_MIN = 48

/**
 * Which trailing extents of a file an append joins with its own bytes into one part: none below 48 extents; then those that
 * are at most twice as long as all behind them, as long as the part stays within 1 MiB. Each byte is so rewritten a few
 * times over the life of a log, however long that gets.
 */
export function coalesceTail(
  extents: readonly Extent[],
  appendedBytes: number,
): { readonly keep: number; readonly from: number } | undefined {
  if (extents.length < EXTENTS_MIN) return undefined
  let bytes = appendedBytes
  let keep = extents.length
  let from = -1
  for (let index = extents.length - 1; index >= 0; index--) {
    const extent = extents[index]
    if (extent === undefined || extent.length > 2 * bytes || bytes + extent.length > PART_BYTES_MAX) break
    // A hole must stay one: what ends before the next begins is not joined over it.
    if (from !== -1 && extent.offset + extent.length !== from) break
    bytes += extent.length
    keep = index
    from = extent.offset
  }
  return from === -1 ? undefined : { keep, from }
}
