import type { Name, NodeImage, TreeDelta } from '@agentfs/contracts'
import type { ListingReader } from './overlay.js'
import type { EntryKey } from './reader.js'

/** A whole tree in memory: what a follower gets by folding the deltas of a stream, in order. */
export class MemoryTree implements ListingReader {
  readonly #nodes = new Map<string, NodeImage>()
  readonly #children = new Map<string, Map<Name, string>>()
  readonly #places = new Map<string, EntryKey[]>()
  readonly #aliases = new Map<string, string>()

  /** A tree that holds a root directory only. */
  constructor(root: NodeImage) {
    this.#nodes.set(root.id, root)
  }

  /** Lays a commit's delta over the tree. Older images of a node lose to newer ones. */
  fold(delta: TreeDelta): void {
    for (const node of delta.nodes) {
      const known = this.#nodes.get(node.id)
      if (known === undefined || known.seq <= node.seq) this.#nodes.set(node.id, node)
    }
    for (const { parent, name, node } of delta.entries) this.#setEntry(parent, name, node)
    for (const { alias, node } of delta.aliases) this.#aliases.set(alias, node)
  }

  node(id: string): NodeImage | undefined {
    return this.#nodes.get(id)
  }

  entry(parent: string, name: Name): string | undefined {
    return this.#children.get(parent)?.get(name)
  }

  entriesOf(node: string): readonly EntryKey[] {
    return this.#places.get(node) ?? []
  }

  hasChildren(directory: string): boolean {
    return (this.#children.get(directory)?.size ?? 0) > 0
  }

  childNames(directory: string): readonly Name[] {
    return [...(this.#children.get(directory)?.keys() ?? [])]
  }

  resolve(id: string): string {
    let at = id
    for (let next = this.#aliases.get(at); next !== undefined; next = this.#aliases.get(at)) at = next
    return at
  }

  /** All nodes, deleted ones included. */
  nodes(): Iterable<NodeImage> {
    return this.#nodes.values()
  }

  #setEntry(parent: string, name: Name, node: string | null): void {
    const before = this.entry(parent, name)
    if (before !== undefined) {
      const places = this.entriesOf(before).filter((it) => it.parent !== parent || it.name !== name)
      this.#places.set(before, places)
    }
    let names = this.#children.get(parent)
    if (names === undefined) {
      names = new Map<Name, string>()
      this.#children.set(parent, names)
    }
    if (node === null) {
      names.delete(name)
    } else {
      names.set(name, node)
      this.#places.set(node, [...this.entriesOf(node), { parent, name }])
    }
  }
}
