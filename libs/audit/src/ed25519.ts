import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'

/** Bytes of a seed and of a public key (RFC 8032). */
export const ED25519_KEY_BYTES = 32

/** The signing key of a 32-byte seed, which is how it is stored, wrapped. */
export function ed25519PrivateKey(seed: Uint8Array): KeyObject {
  requireLength(seed)
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
}

/** The public key of its 32 raw bytes. */
export function ed25519PublicKey(raw: Uint8Array): KeyObject {
  requireLength(raw)
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' })
}

/** The 32 raw bytes of a public key, or of the public half of a signing key. */
export function ed25519RawPublicKey(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  if (publicKey.asymmetricKeyType !== 'ed25519') throw new RangeError('not an Ed25519 key')
  return publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX.length)
}

// The fixed DER in front of the 32 bytes (RFC 8410).
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

function requireLength(bytes: Uint8Array): void {
  if (bytes.length !== ED25519_KEY_BYTES)
    throw new RangeError(`an Ed25519 key has ${ED25519_KEY_BYTES} bytes, not ${bytes.length}`)
}
