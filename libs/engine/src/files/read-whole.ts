import { AgentfsError, PART_BYTES_MAX } from '@agentfs/contracts'
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

/** All bytes of a source, where they are no more than `bytesMax`. */
export async function readWhole(source: ContentSource, bytesMax: number): Promise<Uint8Array> {
  if (source instanceof Uint8Array) {
    if (source.length > bytesMax) throw tooLarge(bytesMax)
    return source
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of source) {
    bytes += chunk.length
    if (bytes > bytesMax) throw tooLarge(bytesMax)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function tooLarge(bytesMax: number): AgentfsError {
  return new AgentfsError('too_large', { detail: `this takes at most ${bytesMax} bytes` })
}
