import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'

/** Bytes of every key of the hierarchy. */
export const KEY_BYTES = 32
/** Bytes of a GCM nonce; other lengths are hashed by GCM and never used here. */
export const GCM_NONCE_BYTES = 12
/** Bytes of a GCM tag; shorter tags are refused. */
export const GCM_TAG_BYTES = 16

const ALGORITHM = 'aes-256-gcm'
const OPTIONS = { authTagLength: GCM_TAG_BYTES }

/** AES-256-GCM of a small message: ciphertext followed by the tag. A nonce must never repeat under one key. */
export function gcmSeal(
  key: KeyObject,
  nonce: Uint8Array,
  additionalData: Uint8Array,
  plaintext: Uint8Array,
): Buffer {
  requireNonce(nonce)
  const cipher = createCipheriv(ALGORITHM, key, nonce, OPTIONS).setAAD(additionalData)
  const ciphertext = cipher.update(plaintext)
  cipher.final()
  return Buffer.concat([ciphertext, cipher.getAuthTag()])
}

/** Opens what `gcmSeal` made; `undefined` when the key, nonce, additional data or bytes are not the sealed ones. */
export function gcmOpen(
  key: KeyObject,
  nonce: Uint8Array,
  additionalData: Uint8Array,
  sealed: Uint8Array,
): Buffer | undefined {
  requireNonce(nonce)
  if (sealed.length < GCM_TAG_BYTES) return undefined
  const tagOffset = sealed.length - GCM_TAG_BYTES
  const decipher = createDecipheriv(ALGORITHM, key, nonce, OPTIONS)
    .setAAD(additionalData)
    .setAuthTag(sealed.subarray(tagOffset))
  const plaintext = decipher.update(sealed.subarray(0, tagOffset))
  try {
    decipher.final()
  } catch {
    plaintext.fill(0)
    return undefined
  }
  return plaintext
}

function requireNonce(nonce: Uint8Array): void {
  if (nonce.length !== GCM_NONCE_BYTES)
    throw new RangeError(`a GCM nonce has ${GCM_NONCE_BYTES} bytes, not ${nonce.length}`)
}
