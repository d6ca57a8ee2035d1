/** Sealed bytes of an object, by the id of what they are. */
export interface StoredBytes {
  readonly id: string
  readonly objectKey: string
  readonly objectOffset: number
  readonly sealedLength: number
}

/** One range GET, and what it brings. */
export interface FetchRun {
  readonly objectKey: string
  readonly from: number
  readonly length: number
  readonly holds: readonly StoredBytes[]
}

/** Bytes that nobody asked for are read along up to here: they take less time than another request. */
const GAP_BYTES_MAX = 64 * 1024
/** A run is cut here, so that what is large comes in several requests side by side. */
const RUN_BYTES_MAX = 1024 * 1024

/** The least range GETs that fetch some sealed bytes: neighbours in one object share one. */
export function planFetch(wanted: readonly StoredBytes[]): FetchRun[] {
  const sorted = [...wanted].sort(
    (a, b) => compare(a.objectKey, b.objectKey) || a.objectOffset - b.objectOffset,
  )
  const runs: FetchRun[] = []
  for (const bytes of sorted) {
    const last = runs.at(-1)
    const { objectKey, objectOffset: from } = bytes
    const end = from + bytes.sealedLength
    if (last?.objectKey === objectKey && joins(last, from, end)) {
      const length = Math.max(last.length, end - last.from)
      runs[runs.length - 1] = { ...last, length, holds: [...last.holds, bytes] }
    } else {
      runs.push({ objectKey, from, length: bytes.sealedLength, holds: [bytes] })
    }
  }
  return runs
}

function joins(run: FetchRun, from: number, end: number): boolean {
  return from - (run.from + run.length) <= GAP_BYTES_MAX && end - run.from <= RUN_BYTES_MAX
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}
