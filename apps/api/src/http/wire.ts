import { AgentfsError } from '@agentfs/contracts'
import { Packr, Unpackr } from 'msgpackr'

/** The media type of MessagePack; sync bodies are this or JSON. */
export const MESSAGE_PACK = 'application/msgpack'

// Plain maps with string keys, so that any MessagePack library can talk to us: msgpackr's own record extension is off.
const options = {
  useRecords: false,
  mapsAsObjects: true,
  int64AsType: 'number',
  variableMapSize: true,
} as const
const packr = new Packr(options)
const unpackr = new Unpackr(options)

/** How a sync body is written. */
export type WireFormat = 'msgpack' | 'json'

/** The format of a content type, null for another. */
export function wireFormatOf(contentType: string | undefined): WireFormat | null {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase()
  if (type === MESSAGE_PACK || type === 'application/x-msgpack' || type === 'application/vnd.msgpack')
    return 'msgpack'
  return type === 'application/json' ? 'json' : null
}

/** Reads a sync body. */
export function decodeWire(format: WireFormat, body: Uint8Array): unknown {
  try {
    return format === 'msgpack'
      ? unpackr.unpack(body)
      : reviveBytes(JSON.parse(Buffer.from(body).toString('utf8')))
  } catch (error) {
    const what = format === 'msgpack' ? 'MessagePack' : 'JSON'
    throw new AgentfsError('invalid_request', { detail: `the body is not ${what}` }, { cause: error })
  }
}

/** Writes a sync answer or a frame. */
export function encodeWire(format: WireFormat, value: unknown): Buffer {
  return format === 'msgpack' ? packr.pack(value) : Buffer.from(JSON.stringify(base64Bytes(value)))
}

/** Bytes are named `data` everywhere on the wire, and nothing else is; in JSON they are base64. */
function reviveBytes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reviveBytes)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]: [string, unknown]) => [
      key,
      key === 'data' && typeof item === 'string' ? fromBase64(item) : reviveBytes(item),
    ]),
  )
}

function fromBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  // Buffer ignores what is no base64; bytes lost that way would be lost silently.
  if (bytes.toString('base64').replace(/=+$/, '') !== text.replace(/=+$/, ''))
    throw new TypeError('not base64')
  return bytes
}

function base64Bytes(value: unknown): unknown {
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
  if (Array.isArray(value)) return value.map(base64Bytes)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]: [string, unknown]) => [key, base64Bytes(item)]),
  )
}
