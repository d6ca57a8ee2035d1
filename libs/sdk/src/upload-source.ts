import { PART_BYTES_MAX } from '@agentfs/contracts'

/** What can be uploaded: bytes, a Blob or File, or a stream of bytes, which is read once. */
export type UploadSource = Uint8Array | Blob | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>

/** Bytes of a file, 1 MiB but for the last, with their memory for themselves. */
export type Piece = Uint8Array<ArrayBuffer>

/** A source piece by piece. Closing what this gives closes the source. */
export async function* piecesOf(source: UploadSource): AsyncGenerator<Piece, undefined> {
  let piece = new Uint8Array(PART_BYTES_MAX)
  let filled = 0
  for await (const chunk of chunksOf(source)) {
    for (let taken = 0; taken < chunk.length;) {
      const length = Math.min(chunk.length - taken, PART_BYTES_MAX - filled)
      piece.set(chunk.subarray(taken, taken + length), filled)
      taken += length
      filled += length
      if (filled < PART_BYTES_MAX) continue
      yield piece
      piece = new Uint8Array(PART_BYTES_MAX)
      filled = 0
    }
  }
  if (filled > 0) yield piece.slice(0, filled)
  return undefined
}

function chunksOf(source: UploadSource): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  if (source instanceof Uint8Array) return [source]
  return source instanceof Blob
    ? chunksOfStream(source.stream())
    : 'getReader' in source
      ? chunksOfStream(source)
      : source
}

/** Not every browser can iterate a stream. */
async function* chunksOfStream(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    // One that was read to its end, or failed, has nothing to cancel.
    await reader.cancel().catch(() => undefined)
    reader.releaseLock()
  }
}

/** How many bytes a source has; null for a stream. */
export function knownSize(source: UploadSource): number | null {
  if (source instanceof Uint8Array) return source.length
  return source instanceof Blob ? source.size : null
}
