// Proofs of RFC 9162, sections 2.1.3 and 2.1.4. Making one needs all leaf hashes of the log; checking one needs
// only the proof.
import { EMPTY_ROOT, HASH_BYTES, nodeHash } from './merkle-hash.js'

/** The root over given leaf hashes. */
export function rootOf(leaves: readonly Uint8Array[]): Buffer {
  if (leaves.length === 0) return EMPTY_ROOT
  return Buffer.from(subtreeRoot(leaves, 0, leaves.length))
}

/** Proof that the leaf at `index` is in the log of these leaves: hashes from the leaf's sibling upwards. */
export function inclusionProof(leaves: readonly Uint8Array[], index: number): Buffer[] {
  requireIndex(index, leaves.length)
  const proof: Uint8Array[] = []
  let [from, to] = [0, leaves.length]
  while (to - from > 1) {
    const middle = from + splitOf(to - from)
    if (index < middle) proof.push(subtreeRoot(leaves, middle, to))
    else proof.push(subtreeRoot(leaves, from, middle))
    if (index < middle) to = middle
    else from = middle
  }
  return proof.toReversed().map((hash) => Buffer.from(hash))
}

/** Proof that the log of the first `oldSize` of these leaves is a prefix of the log of all of them. */
export function consistencyProof(leaves: readonly Uint8Array[], oldSize: number): Buffer[] {
  requireIndex(oldSize - 1, leaves.length)
  return subproof(leaves, 0, leaves.length, oldSize, true).map((hash) => Buffer.from(hash))
}

/** A leaf's claimed place in a log. */
export interface InclusionClaim {
  readonly leaf: Uint8Array
  readonly index: number
  readonly size: number
  readonly root: Uint8Array
}

/** True when the proof shows that the leaf stands at the index of the log with that size and root. */
export function verifyInclusion(claim: InclusionClaim, proof: readonly Uint8Array[]): boolean {
  const { index, size } = claim
  if (!isIndex(index, size) || !areHashes([claim.leaf, claim.root, ...proof])) return false
  let node = index
  let last = size - 1
  let hash: Uint8Array = claim.leaf
  for (const sibling of proof) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash)
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)]
    } else hash = nodeHash(hash, sibling)
    ;[node, last] = [half(node), half(last)]
  }
  return last === 0 && equal(hash, claim.root)
}

/** Two states of what should be one log. */
export interface ConsistencyClaim {
  readonly oldSize: number
  readonly oldRoot: Uint8Array
  readonly newSize: number
  readonly newRoot: Uint8Array
}

/** True when the proof shows that the new log begins with the old one. */
export function verifyConsistency(claim: ConsistencyClaim, proof: readonly Uint8Array[]): boolean {
  const { oldSize, oldRoot, newSize, newRoot } = claim
  if (!isIndex(oldSize - 1, newSize) || !areHashes([oldRoot, newRoot, ...proof])) return false
  if (oldSize === newSize) return proof.length === 0 && equal(oldRoot, newRoot)
  // Where the old log is one perfect subtree, its root starts the path and is not repeated in the proof.
  const path = isPowerOfTwo(oldSize) ? [oldRoot, ...proof] : [...proof]
  const first = path.shift()
  if (first === undefined) return false
  let [node, last] = [oldSize - 1, newSize - 1]
  while (node % 2 === 1) [node, last] = [half(node), half(last)]
  let [oldHash, newHash] = [first, first]
  for (const sibling of path) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      oldHash = nodeHash(sibling, oldHash)
      newHash = nodeHash(sibling, newHash)
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)]
    } else newHash = nodeHash(newHash, sibling)
    ;[node, last] = [half(node), half(last)]
  }
  return last === 0 && equal(oldHash, oldRoot) && equal(newHash, newRoot)
}

function subtreeRoot(leaves: readonly Uint8Array[], from: number, to: number): Uint8Array {
  const leaf = leaves[from]
  if (leaf === undefined) throw new RangeError(`no leaf ${from}`)
  if (to - from === 1) return leaf
  const middle = from + splitOf(to - from)
  return nodeHash(subtreeRoot(leaves, from, middle), subtreeRoot(leaves, middle, to))
}

/** SUBPROOF of RFC 9162 for the leaves `from` to `to`; `whole` while the old log's own root is known to the reader. */
function subproof(
  leaves: readonly Uint8Array[],
  from: number,
  to: number,
  oldSize: number,
  whole: boolean,
): Uint8Array[] {
  const size = to - from
  if (oldSize === size) return whole ? [] : [subtreeRoot(leaves, from, to)]
  const split = splitOf(size)
  const middle = from + split
  return oldSize <= split
    ? [...subproof(leaves, from, middle, oldSize, whole), subtreeRoot(leaves, middle, to)]
    : [...subproof(leaves, middle, to, oldSize - split, false), subtreeRoot(leaves, from, middle)]
}

/** The largest power of two below `size`, which is how many leaves the left subtree has. */
function splitOf(size: number): number {
  let split = 1
  while (split * 2 < size) split *= 2
  return split
}

function half(number: number): number {
  return Math.floor(number / 2)
}

function isPowerOfTwo(number: number): boolean {
  return number === 1 || splitOf(number) * 2 === number
}

function isIndex(index: number, size: number): boolean {
  return Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size
}

function requireIndex(index: number, size: number): void {
  if (!isIndex(index, size)) throw new RangeError(`a log of ${size} leaves has no leaf ${index}`)
}

function areHashes(values: readonly Uint8Array[]): boolean {
  return values.every((value) => value.length === HASH_BYTES)
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
