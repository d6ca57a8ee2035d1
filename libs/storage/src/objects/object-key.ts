import { AgentfsError } from '@agentfs/contracts'

/** The longest key, in UTF-8 bytes: S3 takes 1,024, and the bucket's prefix needs its share. */
export const OBJECT_KEY_BYTES_MAX = 900

const SEGMENT_BYTES_MAX = 255
// Control characters cannot stand in an XML 1.0 listing, so S3 could not name such an object.
const CONTROL_CHARACTER = /\p{Cc}|[\uFFFE\uFFFF]/u

/**
 * Refuses (`invalid_path`) what is no key on every store alike: segments are 1 to 255 bytes of well-formed Unicode without
 * control characters, and not `.` or `..`; the whole is at most OBJECT_KEY_BYTES_MAX bytes.
 */
export function assertObjectKey(key: string): void {
  const problem = keyProblem(key)
  if (problem !== undefined)
    throw new AgentfsError('invalid_path', { object: key, detail: `not an object key: ${problem}` })
}

/** Refuses what cannot start a key; the empty prefix is all keys. */
export function assertObjectPrefix(prefix: string): void {
  const folder = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix
  if (prefix !== '') assertObjectKey(folder)
}

function keyProblem(key: string): string | undefined {
  if (!key.isWellFormed()) return 'it is not well-formed Unicode'
  if (Buffer.byteLength(key) > OBJECT_KEY_BYTES_MAX) return `it is longer than ${OBJECT_KEY_BYTES_MAX} bytes`
  if (CONTROL_CHARACTER.test(key)) return 'it holds a control character'
  for (const segment of key.split('/')) {
    if (segment === '') return 'it has an empty segment'
    if (segment === '.' || segment === '..') return `it has a segment ${segment}`
    if (Buffer.byteLength(segment) > SEGMENT_BYTES_MAX)
      return `it has a segment of more than ${SEGMENT_BYTES_MAX} bytes`
  }
  return undefined
}

/** Orders keys as S3 does: by their UTF-8 bytes. JavaScript's own order is by UTF-16 units and differs above U+FFFF. */
export function compareKeys(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right))
}
