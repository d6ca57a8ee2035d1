import { createHash } from 'node:crypto'
import { PART_BYTES_MAX } from '@agentfs/crypto'
import type { Layout } from './layout.js'

/**
 * Whether a manifest's content hash is the SHA-256 of the bytes: at most 1 MiB, in one extent or none. Everything else is
 * hashed over its extents or pages, so that an append needs none of the bytes before it.
 */
export function hashesBytes(size: number, layout: Layout): boolean {
  return size <= PART_BYTES_MAX && layout.kind === 'inline' && layout.extents.length <= 1
}

/** SHA-256. */
export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}
