import { namedNodes, type JournalEntry } from './journal-entry.js'

/** Waiting entries while they are folded: by place, and by the nodes they name. Places never move. */
export class FoldList {
  readonly #places: (JournalEntry | undefined)[]
  readonly #byNode = new Map<string, number[]>()

  constructor(entries: readonly JournalEntry[]) {
    this.#places = [...entries]
    for (const [place, entry] of entries.entries()) this.#note(place, entry)
  }

  get length(): number {
    return this.#places.length
  }

  at(place: number): JournalEntry | undefined {
    return this.#places[place]
  }

  /** What is left, in order. */
  entries(): JournalEntry[] {
    return this.#places.filter((entry) => entry !== undefined)
  }

  /** The places of the entries that name a node in any role, in order. */
  naming(node: string): number[] {
    return (this.#byNode.get(node) ?? []).filter((place) => {
      const entry = this.#places[place]
      return entry !== undefined && namedNodes(entry.operation).includes(node)
    })
  }

  remove(place: number): void {
    this.#places[place] = undefined
  }

  replace(place: number, entry: JournalEntry): void {
    this.#places[place] = entry
    this.#note(place, entry)
  }

  /** True where an entry strictly between two places, and not among `own`, fits. */
  someBetween(
    first: number,
    last: number,
    own: ReadonlySet<number>,
    fits: (entry: JournalEntry) => boolean,
  ): boolean {
    for (let place = first + 1; place < last; place++) {
      const entry = this.#places[place]
      if (entry !== undefined && !own.has(place) && fits(entry)) return true
    }
    return false
  }

  #note(place: number, entry: JournalEntry): void {
    for (const node of new Set(namedNodes(entry.operation))) {
      const places = this.#byNode.get(node)
      if (places === undefined) this.#byNode.set(node, [place])
      else if (!places.includes(place)) {
        places.push(place)
        places.sort((a, b) => a - b)
      }
    }
  }
}

/** True where two entries are of one directory with no fsync between them. */
export function sameGeneration(one: JournalEntry, other: JournalEntry): boolean {
  return one.group === other.group && one.generation === other.generation
}

/** The entries (names in directories) that an operation takes or frees, as keys. */
export function entryKeys({ operation }: JournalEntry): string[] {
  const key = (at: { parent: string; name: string }): string => `${at.parent}/${at.name}`
  switch (operation.op) {
    case 'create':
    case 'symlink':
    case 'link':
    case 'unlink':
    case 'rmdir':
      return [key(operation)]
    case 'rename':
    case 'replace':
      return [key(operation.from), key(operation.to)]
    default:
      return []
  }
}

/** The nodes whose own place an operation changes. */
export function movedNodes({ operation }: JournalEntry): string[] {
  switch (operation.op) {
    case 'create':
    case 'symlink':
    case 'unlink':
    case 'rmdir':
    case 'link':
      return [operation.node]
    case 'rename':
      return operation.expected === null ? [operation.node] : [operation.node, operation.expected]
    case 'replace':
      return [operation.source, operation.target]
    default:
      return []
  }
}
