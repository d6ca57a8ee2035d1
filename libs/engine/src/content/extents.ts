import type { Extent } from '@agentfs/crypto'

/** Extents with a run of bytes taken out: what reached over its edges is cut. */
function withoutRun(extents: readonly Extent[], from: number, to: number): Extent[] {
  const kept: Extent[] = []
  for (const extent of extents) {
    const end = extent.offset + extent.length
    if (end <= from || extent.offset >= to) {
      kept.push(extent)
      continue
    }
    if (extent.offset < from) kept.push({ ...extent, length: from - extent.offset })
    if (end > to) {
      const cut = to - extent.offset
      kept.push({ ...extent, offset: to, length: end - to, partOffset: extent.partOffset + cut })
    }
  }
  return kept
}

/** Extents with others laid over them, and cut at `size`; ordered. */
export function layOver(base: readonly Extent[], over: readonly Extent[], size: number): Extent[] {
  let extents = [...base]
  for (const extent of over) {
    extents = withoutRun(extents, extent.offset, extent.offset + extent.length)
    extents.push(extent)
  }
  return cutAt(extents, size).sort((left, right) => left.offset - right.offset)
}

/** Extents below `size`. */
export function cutAt(extents: readonly Extent[], size: number): Extent[] {
  return withoutRun(extents, size, Number.MAX_SAFE_INTEGER)
}

/** True where extents leave no hole in [0, size). */
export function covers(extents: readonly Extent[], size: number): boolean {
  let end = 0
  for (const extent of [...extents].sort((left, right) => left.offset - right.offset)) {
    if (extent.offset > end) return false
    end = Math.max(end, extent.offset + extent.length)
  }
  return end >= size
}
