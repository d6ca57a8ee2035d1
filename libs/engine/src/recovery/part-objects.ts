import { isUuid } from '@agentfs/contracts'
import { uuidFromBytes, uuidToBytes } from '@agentfs/crypto'

/** An object that holds one part alone. */
export interface PartObject {
  readonly objectId: string
  readonly size: number
}

const ENTRY_BYTES = 16 + 16 + 4
const NAME = /^([0-9a-f-]{36})-([0-9a-f-]{36})$/

/** The part objects of an agent, found by part; 36 bytes each, for a terabyte has a million. Names come in their order. */
export class PartObjects {
  #bytes = Buffer.alloc(64 * ENTRY_BYTES)
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Takes the next object by its name, `<part id>-<object id>`; false for what is no such name. */
  add(name: string, size: number): boolean {
    const [, partId = '', objectId = ''] = NAME.exec(name) ?? []
    if (!isUuid(partId) || !isUuid(objectId)) return false
    if ((this.#count + 1) * ENTRY_BYTES > this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(this.#bytes.length)])
    }
    const at = this.#count++ * ENTRY_BYTES
    this.#bytes.set(uuidToBytes(partId), at)
    this.#bytes.set(uuidToBytes(objectId), at + 16)
    this.#bytes.writeUInt32BE(size, at + 32)
    return true
  }

  /** The newest object of a part. */
  find(partId: string): PartObject | undefined {
    const wanted = uuidToBytes(partId)
    let [from, to] = [0, this.#count]
    while (from < to) {
      const middle = (from + to) >>> 1
      // Past all that are at most the wanted part: the last of a part is its newest object.
      if (Buffer.compare(this.#entry(middle).subarray(0, 16), wanted) <= 0) from = middle + 1
      else to = middle
    }
    if (from === 0) return undefined
    const entry = this.#entry(from - 1)
    return entry.subarray(0, 16).equals(wanted) ? objectOf(entry) : undefined
  }

  /** All of them, with the parts they hold. */
  *all(): Generator<PartObject & { readonly partId: string }> {
    for (let at = 0; at < this.#count; at++) {
      const entry = this.#entry(at)
      yield { partId: uuidFromBytes(entry.subarray(0, 16)), ...objectOf(entry) }
    }
  }

  #entry(at: number): Buffer {
    return this.#bytes.subarray(at * ENTRY_BYTES, (at + 1) * ENTRY_BYTES)
  }
}

function objectOf(entry: Buffer): PartObject {
  return { objectId: uuidFromBytes(entry.subarray(16, 32)), size: entry.readUInt32BE(32) }
}
