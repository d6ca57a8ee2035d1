import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'

const HASH = 'sha512'
const HASH_BYTES = 64

/** HKDF-Extract of RFC 5869 with SHA-512: a pseudorandom key from input that need not be uniform. */
export function hkdfExtract(salt: Uint8Array, inputKey: Uint8Array): KeyObject {
  // An empty salt stands for a hash length of zeros; HMAC pads its key with zeros, so both are the same key.
  return createSecretKey(createHmac(HASH, salt).update(inputKey).digest())
}

/** HKDF-Expand of RFC 5869 with SHA-512; `key` must be uniform, `lengthBytes` at most 255 * 64. */
export function hkdfExpand(key: KeyObject, info: Uint8Array, lengthBytes: number): Buffer {
  if (!Number.isInteger(lengthBytes) || lengthBytes < 0 || lengthBytes > 255 * HASH_BYTES)
    throw new RangeError(`HKDF-Expand gives 0 to ${255 * HASH_BYTES} bytes, not ${lengthBytes}`)
  const blocks = Math.ceil(lengthBytes / HASH_BYTES)
  const output = Buffer.allocUnsafe(blocks * HASH_BYTES)
  let previous: Uint8Array = new Uint8Array(0)
  for (let block = 1; block <= blocks; block++) {
    previous = createHmac(HASH, key).update(previous).update(info).update(Uint8Array.of(block)).digest()
    output.set(previous, (block - 1) * HASH_BYTES)
  }
  return output.subarray(0, lengthBytes)
}
