import { randomFillSync } from 'node:crypto'
import { SALT_BYTES } from './chunked-layout.js'

// A call to the system's generator costs more than half of what sealing a short record does: it is asked for many at a time.
const pool = Buffer.alloc(SALT_BYTES * 256)
let at = pool.length

/** A salt that no message had before; valid until it is copied into its message, which has to be at once. */
export function nextSalt(): Uint8Array {
  if (at === pool.length) {
    randomFillSync(pool)
    at = 0
  }
  const salt = pool.subarray(at, at + SALT_BYTES)
  at += SALT_BYTES
  return salt
}
