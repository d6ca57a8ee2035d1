import { AgentfsError } from '@agentfs/contracts'

/** Nesting beyond which a value is refused, so that hostile input cannot exhaust the stack. */
export const JSON_DEPTH_MAX = 256

/**
 * Canonical JSON of RFC 8785: no white space, members sorted by UTF-16 code units, numbers and strings as
 * ECMAScript writes them. Members that are `undefined` are left out, as in `JSON.stringify`, so that a value and
 * its parsed JSON have one form. `invalid_request` for what JSON cannot carry exactly: NaN and infinities, lone
 * surrogates, bigints, functions, anything with a `toJSON` of its own.
 */
export function canonicalJson(value: unknown): string {
  return write(value, 0)
}

// With the u flag a pair is one character of another category, so this finds halves only.
const LONE_SURROGATE = /\p{Surrogate}/u
// Printable ASCII but the quote and the backslash.
const PLAIN_ASCII = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/

function write(value: unknown, depth: number): string {
  if (depth > JSON_DEPTH_MAX) throw refusal(`nested deeper than ${JSON_DEPTH_MAX} levels`)
  switch (typeof value) {
    case 'string':
      return writeString(value)
    case 'number':
      if (!Number.isFinite(value)) throw refusal(`the number ${value}`)
      // ECMAScript's shortest form is the one the RFC asks for; -0 becomes 0.
      return JSON.stringify(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      return Array.isArray(value) ? writeArray(value, depth) : writeObject(value, depth)
    case 'bigint':
    case 'function':
    case 'symbol':
    case 'undefined':
      throw refusal(`a value of type ${typeof value}`)
  }
}

function writeString(text: string): string {
  // Most strings need no escapes: quotes around them are all that JSON adds, several times faster.
  if (PLAIN_ASCII.test(text)) return `"${text}"`
  if (LONE_SURROGATE.test(text)) throw refusal('a string with half of a surrogate pair')
  return JSON.stringify(text)
}

function writeArray(values: readonly unknown[], depth: number): string {
  return `[${Array.from(values, (value) => write(value, depth + 1)).join(',')}]`
}

function writeObject(value: object, depth: number): string {
  if (!isPlainObject(value)) throw refusal('an object that is not a plain one')
  let members = ''
  // Without a comparator, sort compares UTF-16 code units, not characters.
  for (const name of Object.keys(value).toSorted()) {
    const member = value[name]
    if (member === undefined) continue
    members += `${members === '' ? '' : ','}${writeString(name)}:${write(member, depth + 1)}`
  }
  return `{${members}}`
}

/** By tag rather than prototype: a driver's or a test's objects may come from another realm. */
function isPlainObject(value: object): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === '[object Object]' && !('toJSON' in value)
}

function refusal(what: string): AgentfsError {
  return new AgentfsError('invalid_request', { detail: `JSON cannot carry ${what}.` })
}
