// An RFC 6962 Merkle log by its compact range: the roots of the perfect subtrees that the leaves fill, from left
// (largest) to right, one for each bit set in the size, largest bit first. For 6 leaves (binary 110) that is the
// root of leaves 0-3 and the root of leaves 4-5: 64 bytes. A log of a million records needs at most 640.
import { EMPTY_ROOT, HASH_BYTES, nodeHash } from './merkle-hash.js'

/** All that must be kept of a log to append to it and to know its root. */
export interface LogState {
  /** Number of leaves. */
  readonly size: number
  /** The subtree roots, 32 bytes each, concatenated. */
  readonly range: Uint8Array
}

/** A log without leaves. */
export const EMPTY_LOG: LogState = { size: 0, range: new Uint8Array(0) }

/** The log with one more leaf, given as its leaf hash. */
export function append(state: LogState, leaf: Uint8Array): LogState {
  return appendAll(state, [leaf])
}

/** The log with more leaves, in order. */
export function appendAll(state: LogState, leaves: Iterable<Uint8Array>): LogState {
  const subtrees = rangeHashes(state)
  let { size } = state
  for (const leaf of leaves) {
    let carried: Uint8Array = requireHash(leaf)
    // Adding 1 to the size carries over its trailing ones; each carry joins two subtrees of one height.
    for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) {
      const left = subtrees.pop()
      if (left !== undefined) carried = nodeHash(left, carried)
    }
    subtrees.push(carried)
    size++
  }
  return { size, range: Buffer.concat(subtrees) }
}

/** The root over all leaves. */
export function root(state: LogState): Buffer {
  const subtrees = rangeHashes(state)
  const rightmost = subtrees.pop()
  if (rightmost === undefined) return EMPTY_ROOT
  return Buffer.from(subtrees.reduceRight((right, left) => nodeHash(left, right), rightmost))
}

/** Throws RangeError for a state that no log has: what a damaged row would be. */
export function requireLogState(state: LogState): LogState {
  rangeHashes(state)
  return state
}

function rangeHashes({ size, range }: LogState): Uint8Array[] {
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`a log cannot have ${size} leaves`)
  const count = onesOf(size)
  if (range.length !== count * HASH_BYTES)
    throw new RangeError(`a log of ${size} leaves has a range of ${count} hashes, not ${range.length} bytes`)
  return Array.from({ length: count }, (_, at) => range.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES))
}

function onesOf(size: number): number {
  let ones = 0
  // Not by bit operators, which end at 32 bits.
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2
  return ones
}

function requireHash(bytes: Uint8Array): Uint8Array {
  if (bytes.length !== HASH_BYTES) throw new RangeError(`a hash has ${HASH_BYTES} bytes, not ${bytes.length}`)
  return bytes
}
