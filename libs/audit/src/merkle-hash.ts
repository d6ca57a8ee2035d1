import { hash } from 'node:crypto'

/** Bytes of every hash of a log. */
export const HASH_BYTES = 32

/** Hash of a leaf: SHA-256(0x00 | data), RFC 6962. */
export function leafHash(data: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([LEAF_PREFIX, data]), 'buffer')
}

/** Hash of an inner node: SHA-256(0x01 | left | right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  nodeInput.set(left, 1)
  nodeInput.set(right, 1 + HASH_BYTES)
  return hash('sha256', nodeInput, 'buffer')
}

/** Root of a log without leaves: SHA-256 of nothing. */
export const EMPTY_ROOT: Buffer = hash('sha256', Buffer.alloc(0), 'buffer')

// The prefixes keep a leaf's data from being passed off as a pair of hashes.
const LEAF_PREFIX = Uint8Array.of(0)
// One buffer for every node, 0x01 | left | right: hashing is synchronous, and allocation was half of its time.
const nodeInput = Buffer.alloc(1 + 2 * HASH_BYTES, 1)
