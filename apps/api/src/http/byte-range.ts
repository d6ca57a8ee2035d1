import type { ByteRangeRequest } from '@agentfs/engine'

/**
 * The one range of a `Range` header, null for the whole file: a header that is malformed, of another unit, or names
 * several ranges is ignored (RFC 9110, 14.2). Whether it can be satisfied depends on the size, which the engine knows.
 */
export function parseRange(header: string | undefined): ByteRangeRequest | null {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header?.trim() ?? '')
  if (match === null) return null
  const [, first = '', last = ''] = match
  if (first === '') return last === '' ? null : { suffix: Number(last) }
  if (last === '') return { from: Number(first) }
  return Number(last) < Number(first) ? null : { from: Number(first), to: Number(last) }
}
