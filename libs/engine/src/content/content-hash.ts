import { createHash } from 'node:crypto'
import { type Extent, extentsHash, PART_BYTES_MAX } from '@agentfs/crypto'

/**
 * Whether a manifest's content hash is the SHA-256 of the bytes: at most 1 MiB, in one extent or none. Everything else is
 * hashed over its extents, so that an append needs none of the bytes before it.
 */
export function hashesBytes(size: number, extents: readonly Extent[]): boolean {
  return size <= PART_BYTES_MAX && extents.length <= 1
}

/** SHA-256. */
export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

/** The hash over extents, for content that `hashesBytes` says no to. */
export { extentsHash }
