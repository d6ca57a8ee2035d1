import type { Name, NodeImage } from '@agentfs/contracts'
import type { EntryKey, ListingReader } from '@agentfs/tree'

/** What is asked of the tree, for one load. */
export interface TreeNeeds {
  readonly ids: ReadonlySet<string>
  readonly names: readonly EntryKey[]
  /** Directories whose names are needed, to see whether they are empty. */
  readonly children: ReadonlySet<string>
}

/** Thrown by a WorkingSet for what it does not hold yet: load it and apply again. */
export class NotLoaded extends Error {
  readonly needs: TreeNeeds
  constructor(needs: Partial<TreeNeeds>) {
    super('a part of the tree is not loaded')
    this.needs = { ids: new Set(), names: [], children: new Set(), ...needs }
  }
}

/** The part of an agent's tree that some operations touch, as it is under the agent's lock. Filled by `loadTree`. */
export class WorkingSet implements ListingReader {
  readonly #nodes = new Map<string, NodeImage | null>()
  readonly #contentKeys = new Map<string, string>()
  readonly #entries = new Map<string, string | null>()
  readonly #entriesOf = new Map<string, EntryKey[]>()
  readonly #children = new Map<string, readonly Name[]>()
  readonly #aliases = new Map<string, string>()
  readonly #asked = new Set<string>()

  node(id: string): NodeImage | undefined {
    const node = this.#nodes.get(id)
    if (node === undefined) throw new NotLoaded({ ids: new Set([id]) })
    return node ?? undefined
  }

  entry(parent: string, name: Name): string | undefined {
    const found = this.#entries.get(entryKey(parent, name))
    if (found === undefined) throw new NotLoaded({ names: [{ parent, name }] })
    return found ?? undefined
  }

  entriesOf(node: string): readonly EntryKey[] {
    const entries = this.#entriesOf.get(node)
    if (entries === undefined) throw new NotLoaded({ ids: new Set([node]) })
    return entries
  }

  hasChildren(directory: string): boolean {
    return this.childNames(directory).length > 0
  }

  childNames(directory: string): readonly Name[] {
    const names = this.#children.get(directory)
    if (names === undefined) throw new NotLoaded({ children: new Set([directory]) })
    return names
  }

  resolve(id: string): string {
    const node = this.#aliases.get(id)
    if (node !== undefined) return node
    if (!this.#asked.has(id) && !this.#nodes.has(id)) throw new NotLoaded({ ids: new Set([id]) })
    return id
  }

  /** The key that seals new content of a file, where it has one. */
  contentKeyOf(node: string): string | undefined {
    return this.#contentKeys.get(node)
  }

  putNode(image: NodeImage, contentKeyId: string | null): void {
    this.#nodes.set(image.id, image)
    if (contentKeyId !== null) this.#contentKeys.set(image.id, contentKeyId)
  }

  putAlias(alias: string, node: string): void {
    this.#aliases.set(alias, node)
  }

  /** Notes where a name leads; null where it is free. */
  putEntry(parent: string, name: Name, node: string | null): void {
    this.#entries.set(entryKey(parent, name), node)
  }

  /** Notes one of the names of a node whose names are loaded. */
  putName(node: string, entry: EntryKey): void {
    const entries = this.#entriesOf.get(node)
    if (entries === undefined) this.#entriesOf.set(node, [entry])
    else if (!entries.some((known) => known.parent === entry.parent && known.name === entry.name)) {
      entries.push(entry)
    }
  }

  putChildren(directory: string, names: readonly Name[]): void {
    this.#children.set(directory, names)
  }

  /** Notes that an id was looked for: what was not found does not exist. */
  settle(id: string): void {
    this.#asked.add(id)
    const node = this.#aliases.get(id) ?? id
    if (!this.#nodes.has(node)) this.#nodes.set(node, null)
    if (!this.#entriesOf.has(node)) this.#entriesOf.set(node, [])
  }

  /** Notes that all names of a node are loaded. */
  settleNames(node: string): void {
    if (!this.#entriesOf.has(node)) this.#entriesOf.set(node, [])
  }
}

function entryKey(parent: string, name: Name): string {
  return `${parent}/${name}`
}
