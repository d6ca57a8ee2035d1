/** Byte strings by name, the least recently used dropped first once they are more than `bytesMax` together. */
export class ByteCache {
  readonly #bytesMax: number
  readonly #entries = new Map<string, Uint8Array>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get(name: string): Uint8Array | undefined {
    const found = this.#entries.get(name)
    if (found === undefined) return undefined
    // A Map keeps the order of insertion: taken out and put in again is most recently used.
    this.#entries.delete(name)
    this.#entries.set(name, found)
    return found
  }

  remove(name: string): void {
    const old = this.#entries.get(name)
    if (old !== undefined) this.#drop(name, old)
  }

  put(name: string, bytes: Uint8Array): void {
    this.remove(name)
    if (bytes.length > this.#bytesMax / 4) return
    this.#entries.set(name, bytes)
    this.#bytes += bytes.length
    for (const [oldest, value] of this.#entries) {
      if (this.#bytes <= this.#bytesMax) break
      this.#drop(oldest, value)
    }
  }

  #drop(name: string, bytes: Uint8Array): void {
    this.#entries.delete(name)
    this.#bytes -= bytes.length
  }
}
