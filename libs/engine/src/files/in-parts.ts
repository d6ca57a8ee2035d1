import { PART_BYTES_MAX } from '@agentfs/contracts'
import type { ContentSource } from '../api/files-api.js'

/** Cuts a source into pieces of exactly 1 MiB, but for the last; no more than one is held at a time. */
export async function* inParts(source: ContentSource): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of source instanceof Uint8Array ? [source] : source) {
    let rest = chunk
    while (bytes + rest.length >= PART_BYTES_MAX) {
      const cut = PART_BYTES_MAX - bytes
      yield Buffer.concat([...held, rest.subarray(0, cut)])
      held = []
      bytes = 0
      rest = rest.subarray(cut)
    }
    if (rest.length > 0) held.push(rest)
    bytes += rest.length
  }
  if (bytes > 0) yield Buffer.concat(held)
}
