import type { Extent } from '@agentfs/crypto'

/** A run of a file without bytes: what it lies over becomes a hole. */
interface Hole {
  readonly offset: number
  readonly length: number
  readonly hole: true
}

/** What a write lays over a file. */
export type Laid = Extent | Hole

/** Extents with others laid over them, and cut at `size`; ordered. `base` must be ordered and disjoint, as a version's are. */
export function layOver(base: readonly Extent[], over: readonly Laid[], size: number): Extent[] {
  const laid = inOrder(over)
  const kept: Laid[] = []
  let next = 0
  for (const extent of base) {
    let from = extent.offset
    const end = extent.offset + extent.length
    while (next < laid.length && endOf(laid[next]) <= from) next++
    for (let index = next; from < end; index++) {
      const above = laid[index]
      if (above === undefined || above.offset >= end) break
      if (above.offset > from) kept.push(cutTo(extent, from, above.offset))
      from = endOf(above)
    }
    if (from < end) kept.push(cutTo(extent, from, end))
  }
  const all = [...kept, ...laid].sort(byOffset)
  return cutAt(
    all.filter((run): run is Extent => !isHole(run)),
    size,
  )
}

/** Extents below `size`; these are ordered. */
export function cutAt(extents: readonly Extent[], size: number): Extent[] {
  return extents.flatMap((extent) => {
    if (extent.offset >= size) return []
    return extent.offset + extent.length <= size ? [extent] : [cutTo(extent, extent.offset, size)]
  })
}

/** True where extents leave no run of [0, size) to what they lie over; a hole laid over it is not left. */
export function covers(extents: readonly Laid[], size: number): boolean {
  let end = 0
  for (const extent of [...extents].sort(byOffset)) {
    if (extent.offset > end) return false
    end = Math.max(end, endOf(extent))
  }
  return end >= size
}

/** The extents of an ordered list that overlap [from, to). */
export function overlapping(extents: readonly Extent[], from: number, to: number): readonly Extent[] {
  return extents.slice(
    firstWhere(extents, (extent) => endOf(extent) > from),
    firstWhere(extents, ({ offset }) => offset >= to),
  )
}

/** Runs of [0, size) that two lists of ordered, disjoint extents do not take from the same bytes of the same parts. */
export function differingRuns(
  left: readonly Extent[],
  right: readonly Extent[],
  size: number,
): { from: number; to: number }[] {
  const runs: { from: number; to: number }[] = []
  let [l, r] = [0, 0]
  for (let at = 0; at < size;) {
    while (l < left.length && endOf(left[l]) <= at) l++
    while (r < right.length && endOf(right[r]) <= at) r++
    const [a, b] = [runAt(left[l], at, size), runAt(right[r], at, size)]
    const to = Math.min(a.to, b.to)
    const same =
      a.extent?.partId === b.extent?.partId &&
      (a.extent === undefined || shiftOf(a.extent) === (b.extent === undefined ? NaN : shiftOf(b.extent)))
    const last = runs.at(-1)
    if (!same && last?.to === at) last.to = to
    else if (!same) runs.push({ from: at, to })
    at = to
  }
  return runs
}

/** Runs laid one over the other, as disjoint ones in order. A write of a large file has thousands, in order already. */
export function inOrder(over: readonly Laid[]): readonly Laid[] {
  const ordered = over.every((run, index) => index === 0 || endOf(over[index - 1]) <= run.offset)
  if (ordered) return over
  let laid: Laid[] = []
  for (const run of over) {
    laid = laid.flatMap((below) => {
      const parts: Laid[] = []
      if (below.offset < run.offset)
        parts.push(cutTo(below, below.offset, Math.min(endOf(below), run.offset)))
      if (endOf(below) > endOf(run))
        parts.push(cutTo(below, Math.max(below.offset, endOf(run)), endOf(below)))
      return parts
    })
    laid.push(run)
  }
  return laid.sort(byOffset)
}

/** What lies at a place, and how far: an extent, or the hole before it. `next` is the first extent that ends behind the place. */
function runAt(
  next: Extent | undefined,
  at: number,
  size: number,
): { extent: Extent | undefined; to: number } {
  if (next === undefined) return { extent: undefined, to: size }
  if (next.offset > at) return { extent: undefined, to: Math.min(next.offset, size) }
  return { extent: next, to: Math.min(endOf(next), size) }
}

function shiftOf(extent: Extent): number {
  return extent.partOffset - extent.offset
}

function isHole(run: Laid): run is Hole {
  return 'hole' in run
}

function cutTo<Run extends Laid>(run: Run, from: number, to: number): Run {
  const cut = { ...run, offset: from, length: to - from }
  return 'partOffset' in run ? { ...cut, partOffset: run.partOffset + (from - run.offset) } : cut
}

function endOf(run: { readonly offset: number; readonly length: number } | undefined): number {
  return run === undefined ? 0 : run.offset + run.length
}

function byOffset(left: Laid, right: Laid): number {
  return left.offset - right.offset
}

/** The index of the first extent that fits, by bisection; those behind it fit too. */
function firstWhere(extents: readonly Extent[], fits: (extent: Extent) => boolean): number {
  let low = 0
  let high = extents.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const extent = extents[middle]
    if (extent !== undefined && fits(extent)) high = middle
    else low = middle + 1
  }
  return low
}
