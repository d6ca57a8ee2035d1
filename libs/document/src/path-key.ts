import { createHash } from 'node:crypto'
import { type Name, nameFromBytes, nameToBytes } from '@agentfs/contracts'
import { pathBytes } from './metadata-path.js'

/** Ends the name of a sidecar; no path is mapped to a name that ends so. */
export const SIDECAR_SUFFIX = '.agentfs.md'
/** The longest key of a path, its sidecar's included: object keys take 900 bytes, and what stands before them needs its share. */
export const PATH_KEY_BYTES_MAX = 700

// 255 bytes, what object stores and filesystems take, less the suffix and some room.
const SEGMENT_BYTES_MAX = 240
// No escape makes this, for a percent sign is always followed by two hex digits.
const SHORTENED = '%~'
const HASH_DIGITS = 32
// Control characters and noncharacters, which no XML listing of objects can hold; the sign itself; what is no UTF-8.
const ESCAPED = /[%\p{Cc}\uFFFE\uFFFF]/gu

/** A path that a key was made of. */
export interface KeyPath {
  readonly names: readonly Name[]
  /** True where the key is that of the path's sidecar. */
  readonly sidecar: boolean
}

/**
 * The object key, or the path of an export, of a file's path: its names joined by `/`, in which `%`, control characters,
 * U+FFFE, U+FFFF and bytes that are no UTF-8 are written `%XX`, byte for byte, and the last letter of a name that ends like a
 * sidecar too. What is too long is cut and gets `%~` and a hash of the true name; a path that is too long as a whole
 * becomes `%~<hash of its folder>/<name>`. Different paths have different keys, which obey `assertObjectKey`.
 */
export function keyOfPath(names: readonly Name[]): string {
  const key = names.map(segmentOf).join('/')
  if (Buffer.byteLength(key) + SIDECAR_SUFFIX.length <= PATH_KEY_BYTES_MAX) return key
  const leaf = names.at(-1) ?? ''
  return `${SHORTENED}${hashOf(pathBytes(names.slice(0, -1)))}/${segmentOf(leaf)}`
}

/** The key of the sidecar of the content at `key`. */
export function sidecarKeyOf(key: string): string {
  return key + SIDECAR_SUFFIX
}

/**
 * The path that a key was made of, the reverse of `keyOfPath` and `sidecarKeyOf`. Undefined where it was shortened, which the
 * metadata then makes good, and for what no path makes.
 */
export function pathOfKey(key: string): KeyPath | undefined {
  const sidecar = key.endsWith(SIDECAR_SUFFIX)
  const main = sidecar ? key.slice(0, -SIDECAR_SUFFIX.length) : key
  if (main === '' || main.includes(SHORTENED)) return undefined
  const names = main.split('/').map(nameOf)
  return names.includes('') || keyOfPath(names) !== main ? undefined : { names, sidecar }
}

function segmentOf(name: Name): string {
  const bytes = nameToBytes(name)
  const escaped = name.startsWith('\0') ? escapedBytes(bytes) : name.replace(ESCAPED, escapedCharacter)
  const segment = escaped.endsWith(SIDECAR_SUFFIX) ? `${escaped.slice(0, -1)}%64` : escaped
  if (Buffer.byteLength(segment) <= SEGMENT_BYTES_MAX) return segment
  return `${cut(segment)}${SHORTENED}${hashOf(bytes)}`
}

/** A segment's beginning, with whole characters and escapes only. */
function cut(segment: string): string {
  const roomBytes = SEGMENT_BYTES_MAX - SHORTENED.length - HASH_DIGITS
  let kept = ''
  let bytes = 0
  for (const [piece] of segment.matchAll(/%[0-9A-F]{2}|./gsu)) {
    bytes += Buffer.byteLength(piece)
    if (bytes > roomBytes) break
    kept += piece
  }
  return kept
}

function escapedCharacter(character: string): string {
  return [...Buffer.from(character)].map(escapedByte).join('')
}

/** The escapes of bytes that are no UTF-8 as a whole; the characters among them stay readable. */
function escapedBytes(bytes: Uint8Array): string {
  let escaped = ''
  for (let at = 0; at < bytes.length;) {
    const length = characterLength(bytes, at)
    const character = length === 0 ? undefined : Buffer.from(bytes.subarray(at, at + length)).toString('utf8')
    escaped +=
      character === undefined ? escapedByte(bytes[at] ?? 0) : character.replace(ESCAPED, escapedCharacter)
    at += Math.max(1, length)
  }
  return escaped
}

/** How many bytes from `at` on are one UTF-8 character; 0 where none starts there. */
function characterLength(bytes: Uint8Array, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    if (!nameFromBytes(bytes.subarray(at, at + length)).startsWith('\0')) return length
  }
  return 0
}

function escapedByte(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}

function nameOf(segment: string): Name {
  const pieces = [...segment.matchAll(/%([0-9A-F]{2})|[^%]+|%/gu)]
  return nameFromBytes(
    Buffer.concat(
      pieces.map(([text, hex]) => (hex === undefined ? Buffer.from(text) : Buffer.from(hex, 'hex'))),
    ),
  )
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, HASH_DIGITS)
}
