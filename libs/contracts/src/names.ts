import { AgentfsError } from './errors.js'

/**
 * A name is any byte sequence Linux allows [FS-6]. In code and on the sync wire it is one string: the text
 * itself where the bytes are valid UTF-8, else NUL followed by the bytes in base64. NUL cannot occur in
 * a name, so the two never collide, and the string is safe in JSON and in canonical JSON.
 */
export type Name = string

/** The longest name, in bytes (Linux NAME_MAX). */
export const NAME_BYTES_MAX = 255

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()
/** Printable ASCII without a slash, and short: the names of most files, which cost less this way. */
const PLAIN_NAME = /^[ -.0-~]{1,255}$/

/** The name of raw bytes. */
export function nameFromBytes(bytes: Uint8Array): Name {
  try {
    return utf8.decode(bytes)
  } catch {
    return `\0${toBase64(bytes)}`
  }
}

/** The raw bytes of a name. */
export function nameToBytes(name: Name): Uint8Array {
  return name.startsWith('\0') ? fromBase64(name.slice(1)) : encoder.encode(name)
}

/** How many bytes the name has. */
export function nameBytes(name: Name): number {
  return nameToBytes(name).length
}

/** Where a name is no valid entry name, the reason in words; else null. */
export function nameFault(name: Name): string | null {
  if (name === '') return 'a name is empty'
  if (name === '.' || name === '..') return `'${name}' is not a name`
  if (PLAIN_NAME.test(name)) return null
  if (name.startsWith('\0') && base64Bytes(name.slice(1)) === undefined) return NO_BASE64
  const bytes = nameToBytes(name)
  if (bytes.length === 0) return 'a name is empty'
  if (bytes.length > NAME_BYTES_MAX) return `a name has ${bytes.length} bytes; ${NAME_BYTES_MAX} is the most`
  if (bytes.includes(0)) return 'a name holds a NUL byte'
  if (bytes.includes(0x2f)) return "a name holds '/'"
  if (name.startsWith('\0')) {
    const text = nameFromBytes(bytes)
    if (text !== name) return 'a name is encoded in two ways'
  } else if (!name.isWellFormed()) return 'a name is not valid Unicode'
  return null
}

/** Refuses what is no valid entry name with `invalid_path`. */
export function assertName(name: Name): void {
  const fault = nameFault(name)
  if (fault !== null) throw new AgentfsError('invalid_path', { detail: fault })
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

function fromBase64(text: string): Uint8Array {
  const bytes = base64Bytes(text)
  if (bytes === undefined) throw new AgentfsError('invalid_path', { detail: NO_BASE64 })
  return bytes
}

const NO_BASE64 = 'a name is not valid base64'

function base64Bytes(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch {
    return undefined
  }
}
