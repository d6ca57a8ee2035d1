import { canonicalJson } from './canonical-json.js'
import { leafHash } from './merkle-hash.js'

/** Leaf of a record in its stream's log: SHA-256(0x00 | canonical JSON), RFC 8785 and RFC 6962. */
export function recordLeaf(record: unknown): Buffer {
  return leafHash(Buffer.from(canonicalJson(record), 'utf8'))
}
