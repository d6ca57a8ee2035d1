import { HASH_BYTES } from './merkle-hash.js'

/** Leaf hashes of a log, 32 bytes each: a million records take 32 MB. */
export class LeafList {
  #bytes = Buffer.alloc(64 * HASH_BYTES)
  #length = 0

  get length(): number {
    return this.#length
  }

  push(leaf: Uint8Array): void {
    if ((this.#length + 1) * HASH_BYTES > this.#bytes.length)
      this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(this.#bytes.length)])
    this.#bytes.set(leaf, this.#length * HASH_BYTES)
    this.#length++
  }

  /** The leaf at an index below `length`. */
  at(index: number): Buffer {
    return this.#bytes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES)
  }
  /** The leaves from one index up to, and not including, another. */
  *slice(from: number, to: number): Generator<Buffer> {
    for (let index = from; index < to; index++) yield this.at(index)
  }
}
