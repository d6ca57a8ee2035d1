/**
 * A map of recently used entries that weigh no more than `weightMax` together; each weighs 1 unless told. It keeps two
 * generations: what is used is in the younger one, which becomes the older one at half of the weight, and the older one goes
 * as a whole. So a look at what is in use changes nothing, and all that was used lately, up to half of the weight, is there.
 */
export class RecentMap<Value> {
  readonly #halfMax: number
  readonly #weigh: (value: Value) => number
  readonly #onLeave: (value: Value) => void
  #young = new Map<string, Value>()
  #old = new Map<string, Value>()
  #weight = 0

  /** `onLeave` is told of whatever is replaced, deleted or pushed out. */
  constructor(
    weightMax: number,
    weigh: (value: Value) => number = () => 1,
    onLeave: (value: Value) => void = () => undefined,
  ) {
    this.#halfMax = weightMax / 2
    this.#weigh = weigh
    this.#onLeave = onLeave
  }

  get(name: string): Value | undefined {
    const young = this.#young.get(name)
    if (young !== undefined) return young
    const old = this.#old.get(name)
    if (old === undefined) return undefined
    this.#old.delete(name)
    this.#put(name, old)
    return old
  }

  /** Keeps an entry; one of more than half of the weight is not kept. */
  set(name: string, value: Value): void {
    this.delete(name)
    if (this.#weigh(value) > this.#halfMax) this.#onLeave(value)
    else this.#put(name, value)
  }

  delete(name: string): void {
    const young = this.#young.get(name)
    const found = young ?? this.#old.get(name)
    if (found === undefined) return
    if (young !== undefined) this.#weight -= this.#weigh(young)
    this.#young.delete(name)
    this.#old.delete(name)
    this.#onLeave(found)
  }

  #put(name: string, value: Value): void {
    const weight = this.#weigh(value)
    if (this.#weight + weight > this.#halfMax) {
      for (const left of this.#old.values()) this.#onLeave(left)
      this.#old = this.#young
      this.#young = new Map()
      this.#weight = 0
    }
    this.#young.set(name, value)
    this.#weight += weight
  }
}
