/** The lines of a stream of bytes, split at line feeds. The last may lack one; `start` and `end` are byte offsets, the feed excluded. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<{
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  readonly whole: boolean
}> {
  let pending: Buffer[] = []
  let start = 0
  let at = 0
  for await (const chunk of chunks) {
    const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    let from = 0
    for (let feed = buffer.indexOf(10); feed !== -1; feed = buffer.indexOf(10, from)) {
      const bytes = Buffer.concat([...pending, buffer.subarray(from, feed)])
      pending = []
      yield { bytes, start, end: at + feed, whole: true }
      from = feed + 1
      start = at + from
    }
    if (from < buffer.length) pending.push(buffer.subarray(from))
    at += buffer.length
  }
  if (pending.length > 0) yield { bytes: Buffer.concat(pending), start, end: at, whole: false }
}

/** The lines as text. */
export async function* textLinesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  for await (const { bytes } of linesOf(chunks)) yield bytes.toString('utf8')
}
