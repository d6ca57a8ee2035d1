import type { AliasImage, EntryImage, Name, NodeImage, TreeDelta, VersionImage } from '@agentfs/contracts'
import type { EntryKey, TreeReader } from './reader.js'

/** A tree with changes laid over it; `delta()` is what changed, as post-images. Nothing is written below. */
export class Overlay implements TreeReader {
  readonly #below: TreeReader
  readonly #nodes = new Map<string, NodeImage>()
  readonly #entries = new Map<string, Map<Name, string | null>>()
  readonly #aliases = new Map<string, string>()
  readonly #versions: VersionImage[] = []

  constructor(below: TreeReader) {
    this.#below = below
  }

  node(id: string): NodeImage | undefined {
    return this.#nodes.get(id) ?? this.#below.node(id)
  }

  entry(parent: string, name: Name): string | undefined {
    const changed = this.#entries.get(parent)?.get(name)
    if (changed !== undefined) return changed ?? undefined
    return this.#below.entry(parent, name)
  }

  entriesOf(node: string): readonly EntryKey[] {
    const kept = this.#below
      .entriesOf(node)
      .filter(({ parent, name }) => this.#entries.get(parent)?.get(name) === undefined)
    const added: EntryKey[] = []
    for (const [parent, names] of this.#entries) {
      for (const [name, id] of names) if (id === node) added.push({ parent, name })
    }
    return [...kept, ...added]
  }

  hasChildren(directory: string): boolean {
    const changed = this.#entries.get(directory)
    if (changed !== undefined) for (const id of changed.values()) if (id !== null) return true
    return this.#below.hasChildren(directory) && this.#remains(directory)
  }

  resolve(id: string): string {
    const below = this.#below.resolve(id)
    return this.#aliases.get(below) ?? below
  }

  /** Sets the post-image of a node. */
  putNode(image: NodeImage): void {
    this.#nodes.set(image.id, image)
  }

  /** Sets where a name leads; null removes it. */
  putEntry(parent: string, name: Name, node: string | null): void {
    let names = this.#entries.get(parent)
    if (names === undefined) {
      names = new Map<Name, string | null>()
      this.#entries.set(parent, names)
    }
    names.set(name, node)
  }

  /** Makes an id stand for a node from now on. */
  putAlias(alias: string, node: string): void {
    for (const [other, target] of this.#aliases) if (target === alias) this.#aliases.set(other, node)
    this.#aliases.set(alias, node)
  }

  /** Notes a version made. */
  putVersion(image: VersionImage): void {
    this.#versions.push(image)
  }

  /** True where nothing has changed. */
  get unchanged(): boolean {
    return this.#nodes.size === 0 && this.#entries.size === 0 && this.#aliases.size === 0
  }

  /** All that changed. */
  delta(): TreeDelta {
    const entries: EntryImage[] = []
    for (const [parent, names] of this.#entries) {
      for (const [name, node] of names) entries.push({ parent, name, node })
    }
    const aliases: AliasImage[] = [...this.#aliases].map(([alias, node]) => ({ alias, node }))
    return { nodes: [...this.#nodes.values()], entries, aliases, versions: [...this.#versions] }
  }

  /** Lays another overlay's changes, made on top of this one, onto this one: all or nothing per operation. */
  absorb(delta: TreeDelta): void {
    for (const node of delta.nodes) this.putNode(node)
    for (const { parent, name, node } of delta.entries) this.putEntry(parent, name, node)
    for (const { alias, node } of delta.aliases) this.putAlias(alias, node)
    this.#versions.push(...delta.versions)
  }

  /** Whether a directory keeps entries below besides those removed here; readers that can count say so. */
  #remains(directory: string): boolean {
    const removed = this.#entries.get(directory)
    if (removed === undefined) return true
    const children = childNames(this.#below, directory)
    if (children === undefined) return true
    return children.some((name) => removed.get(name) !== null)
  }
}

/** A reader that can list a directory's names; an Overlay needs it to see that a directory became empty. */
export interface ListingReader extends TreeReader {
  /** All names in a directory. */
  childNames(directory: string): readonly Name[]
}

function childNames(reader: TreeReader, directory: string): readonly Name[] | undefined {
  return 'childNames' in reader ? (reader as ListingReader).childNames(directory) : undefined
}
