import { PART_BYTES_MAX } from '@agentfs/contracts'
import type { ContentSource } from '../api/files-api.js'

/**
 * Cuts a source into pieces of exactly 1 MiB, but for the last; no more than one is held at a time. A chunk of the source is
 * copied before the next one is asked for, and pieces of several have their memory for themselves: both may be given away.
 */
export async function* inParts(source: ContentSource): AsyncGenerator<Uint8Array> {
  if (source instanceof Uint8Array && source.length <= PART_BYTES_MAX) {
    if (source.length > 0) yield source
    return
  }
  let piece = Buffer.allocUnsafeSlow(PART_BYTES_MAX)
  let filled = 0
  for await (const chunk of source instanceof Uint8Array ? [source] : source) {
    for (let taken = 0; taken < chunk.length;) {
      const length = Math.min(chunk.length - taken, PART_BYTES_MAX - filled)
      piece.set(chunk.subarray(taken, taken + length), filled)
      taken += length
      filled += length
      if (filled < PART_BYTES_MAX) continue
      yield piece
      piece = Buffer.allocUnsafeSlow(PART_BYTES_MAX)
      filled = 0
    }
  }
  if (filled > 0) yield Buffer.from(piece.subarray(0, filled))
}
