import { hash } from 'node:crypto'

/** Bytes of every hash of a log. */
export const HASH_BYTES = 32

/** Hash of a leaf: SHA-256(0x00 | data), RFC 6962. */
export function leafHash(data: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([LEAF_PREFIX, data]), 'buffer')
}

/** Hash of an inner node: SHA-256(0x01 | left | right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([NODE_PREFIX, left, right]), 'buffer')
}

/** Root of a log without leaves: SHA-256 of nothing. */
export const EMPTY_ROOT: Buffer = hash('sha256', Buffer.alloc(0), 'buffer')

// The prefixes keep a leaf's data from being passed off as a pair of hashes.
const LEAF_PREFIX = Uint8Array.of(0)
const NODE_PREFIX = Uint8Array.of(1)
