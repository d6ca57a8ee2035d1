import { createHash } from 'node:crypto'

/** Passes bytes on and hashes them on the way. */
export class Hashing {
  readonly #hash = createHash('sha256')
  size = 0

  async *through(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.take(chunk)
      yield chunk
    }
  }

  take(chunk: Uint8Array): void {
    this.#hash.update(chunk)
    this.size += chunk.length
  }

  /** In hex; only once, at the end. */
  digest(): string {
    return this.#hash.digest('hex')
  }
}

/** SHA-256 in hex. */
export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** SHA-256 of a stream, in hex. */
export async function sha256OfStream(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hashing = new Hashing()
  for await (const chunk of chunks) hashing.take(chunk)
  return hashing.digest()
}
