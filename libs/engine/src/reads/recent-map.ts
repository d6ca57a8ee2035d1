/** A map of the `sizeMax` most recently used entries. */
export class RecentMap<Value> {
  readonly #sizeMax: number
  readonly #entries = new Map<string, Value>()

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax
  }

  get(name: string): Value | undefined {
    const found = this.#entries.get(name)
    if (found === undefined) return undefined
    this.#entries.delete(name)
    this.#entries.set(name, found)
    return found
  }

  set(name: string, value: Value): void {
    this.#entries.delete(name)
    this.#entries.set(name, value)
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined && this.#entries.size > this.#sizeMax) this.#entries.delete(oldest)
  }

  delete(name: string): void {
    this.#entries.delete(name)
  }
}
