import { z } from 'zod'

// A call to the system's generator costs more than the rest of an id: it is asked for many at a time.
const RANDOM_BYTES = 10
const pool = new Uint8Array(RANDOM_BYTES * 256)
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
let poolAt = pool.length
let lastMs = 0
let lastSequence = 0

/**
 * A UUIDv7 (RFC 9562): 48 bits of milliseconds, a 12-bit sequence that keeps ids of one process in
 * order within a millisecond, 62 random bits. Made by the application, never by the database, because
 * Postgres has `uuidv7()` only from 18 on.
 */
export function uuidv7(nowMs: number = Date.now()): string {
  const random = nextRandom()
  if (nowMs > lastMs) {
    lastMs = nowMs
    lastSequence = (((random[8] ?? 0) << 8) | (random[9] ?? 0)) & 0x7ff
  } else if (++lastSequence > 0xfff) {
    lastMs += 1
    lastSequence = 0
  }
  const time = lastMs.toString(16).padStart(12, '0')
  const sequence = (0x7000 | lastSequence).toString(16)
  let tail = ''
  for (let at = 0; at < 8; at++) {
    const byte = at === 0 ? 0x80 | ((random[0] ?? 0) & 0x3f) : (random[at] ?? 0)
    tail += HEX[byte] ?? ''
  }
  return `${time.slice(0, 8)}-${time.slice(8)}-${sequence}-${tail.slice(0, 4)}-${tail.slice(4)}`
}

function nextRandom(): Uint8Array {
  if (poolAt === pool.length) {
    crypto.getRandomValues(pool)
    poolAt = 0
  }
  const taken = pool.subarray(poolAt, poolAt + RANDOM_BYTES)
  poolAt += RANDOM_BYTES
  return taken
}

/** The instant a UUIDv7 was made, in milliseconds since the epoch. */
export function uuidTimeMs(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
}

/** A lower-case UUID; every id of the product but an API key's is one. */
export const uuid = z.string().regex(UUID)

/** True where the text is a lower-case UUID. */
export function isUuid(text: string): boolean {
  return UUID.test(text)
}

/** An agent's name, unique within its tenant. */
export const agentName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, {
  error: 'an agent name is 1 to 63 of a-z 0-9 . _ - and starts with a letter or digit',
})

/** A SHA-256 as lower-case hex. */
export const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/)
