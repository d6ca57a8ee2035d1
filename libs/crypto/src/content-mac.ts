import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto'
import { hkdfExpand } from './hkdf.js'
import { type SecretKey, secretKeyObject } from './secret-key.js'

/** Bytes of a keyed hash. */
export const CONTENT_MAC_BYTES = 32

/**
 * The key of keyed hashes, from a content key: HKDF-Expand-SHA-512 with info "agentfs/mac/v1\0". The sealed
 * format expands the same key with an info that starts otherwise, so the two never share a key.
 */
export function contentMacKey(contentKey: SecretKey): KeyObject {
  return createSecretKey(hkdfExpand(secretKeyObject(contentKey), MAC_INFO, CONTENT_MAC_BYTES))
}

/**
 * Keyed hash of a part's plaintext, HMAC-SHA-256. Equal bytes under one content key have equal hashes, and who
 * lacks the key learns nothing from them (a plain hash would confirm a guess).
 */
export function contentMac(macKey: KeyObject, plaintext: Uint8Array): Buffer {
  return createHmac('sha256', macKey).update(plaintext).digest()
}

/** Compares two keyed hashes in constant time. */
export function sameContentMac(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

const MAC_INFO = Buffer.from('agentfs/mac/v1\0', 'ascii')
