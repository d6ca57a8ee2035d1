/** A map of the most recently used entries that weigh no more than `weightMax` together; each weighs 1 unless told. */
export class RecentMap<Value> {
  readonly #weightMax: number
  readonly #weigh: (value: Value) => number
  readonly #entries = new Map<string, Value>()
  #weight = 0

  constructor(weightMax: number, weigh: (value: Value) => number = () => 1) {
    this.#weightMax = weightMax
    this.#weigh = weigh
  }

  get(name: string): Value | undefined {
    const found = this.#entries.get(name)
    if (found === undefined) return undefined
    this.#entries.delete(name)
    this.#entries.set(name, found)
    return found
  }

  set(name: string, value: Value): void {
    this.delete(name)
    this.#entries.set(name, value)
    this.#weight += this.#weigh(value)
    for (const oldest of this.#entries.keys()) {
      if (this.#weight <= this.#weightMax) break
      this.delete(oldest)
    }
  }

  delete(name: string): void {
    const found = this.#entries.get(name)
    if (found === undefined) return
    this.#entries.delete(name)
    this.#weight -= this.#weigh(found)
  }
}
