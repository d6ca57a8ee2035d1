/**
 * Bytes of all names and values of a node's extended attributes: each value is bounded as Linux bounds it, and all of them go
 * with every record, feed and snapshot that the node is in.
 */
export const XATTRS_BYTES_MAX = 131_072

/** Bytes of names and values; values are base64. */
export function xattrsBytes(xattrs: Readonly<Record<string, string>>): number {
  let bytes = 0
  for (const [name, value] of Object.entries(xattrs))
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value, 'base64')
  return bytes
}
