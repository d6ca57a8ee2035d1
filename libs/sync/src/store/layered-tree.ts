import type { Name, NodeImage, TreeDelta } from '@agentfs/contracts'
import { type EntryKey, isConflictName, type ListingReader } from '@agentfs/tree'

/**
 * The tree as the mount shows it, and what must be known to go back to the confirmed one: the confirmed values of all
 * that local operations changed. Post-images are immutable and shared by both, so that the second tree costs nothing
 * where they agree.
 */
export class LayeredTree implements ListingReader {
  readonly #nodes = new Map<string, NodeImage>()
  readonly #children = new Map<string, Map<Name, string>>()
  // One name is the rule: an array for it would cost more than the name.
  readonly #names = new Map<string, EntryKey | EntryKey[]>()
  readonly #aliases = new Map<string, string>()
  readonly #directories = new Map<string, number>()
  readonly #confirmedNodes = new Map<string, NodeImage | undefined>()
  readonly #confirmedEntries = new Map<string, Map<Name, string | undefined>>()
  /** The names that nodes lost locally: what they are called in the confirmed tree. */
  readonly #lostNames = new Map<string, EntryKey[]>()
  readonly #localAliases = new Set<string>()
  #conflictCopies = 0

  node(id: string): NodeImage | undefined {
    return this.#nodes.get(id)
  }

  /** The node of an id, aliases followed, where it is not deleted. */
  live(id: string): NodeImage | undefined {
    const node = this.#nodes.get(this.resolve(id))
    return node?.deleted === true ? undefined : node
  }

  entry(parent: string, name: Name): string | undefined {
    return this.#children.get(parent)?.get(name)
  }

  entriesOf(node: string): readonly EntryKey[] {
    const names = this.#names.get(node)
    return names === undefined ? [] : Array.isArray(names) ? names : [names]
  }

  hasChildren(directory: string): boolean {
    return (this.#children.get(directory)?.size ?? 0) > 0
  }

  childNames(directory: string): readonly Name[] {
    return [...(this.#children.get(directory)?.keys() ?? [])]
  }

  /** Names and ids in a directory. */
  children(directory: string): Iterable<[Name, string]> {
    return this.#children.get(directory) ?? []
  }

  /** How many directories stand in a directory, for its link count. */
  subdirectories(directory: string): number {
    return this.#directories.get(directory) ?? 0
  }

  resolve(id: string): string {
    let at = id
    for (let next = this.#aliases.get(at); next !== undefined && next !== at; next = this.#aliases.get(at))
      at = next
    return at
  }

  /** All nodes shown, deleted ones that are still known included. */
  nodes(): Iterable<NodeImage> {
    return this.#nodes.values()
  }

  get size(): number {
    return this.#nodes.size
  }

  /** Names that conflict copies have. */
  get conflictCopies(): number {
    return this.#conflictCopies
  }

  /** The confirmed image of a node, whatever was done to it locally. */
  confirmedNode(id: string): NodeImage | undefined {
    return this.#confirmedNodes.has(id) ? this.#confirmedNodes.get(id) : this.#nodes.get(id)
  }

  /** The node that a name leads to in the confirmed tree. */
  confirmedEntry(parent: string, name: Name): string | undefined {
    const changed = this.#confirmedEntries.get(parent)
    return changed?.has(name) === true ? changed.get(name) : this.entry(parent, name)
  }

  /** The confirmed names of a node. */
  confirmedNames(id: string): EntryKey[] {
    const names = this.entriesOf(id).filter(
      ({ parent, name }) => this.#confirmedEntries.get(parent)?.has(name) !== true,
    )
    return [...names, ...(this.#lostNames.get(id) ?? [])]
  }

  /** All confirmed nodes, deleted ones left out. */
  *confirmedNodes(): Iterable<NodeImage> {
    for (const [id, node] of this.#nodes) {
      if (!this.#confirmedNodes.has(id) && node.deleted !== true) yield node
    }
    for (const node of this.#confirmedNodes.values())
      if (node !== undefined && node.deleted !== true) yield node
  }

  /** Lays a local change over the confirmed tree. */
  applyLocal(delta: TreeDelta): void {
    for (const node of delta.nodes) {
      if (!this.#confirmedNodes.has(node.id)) this.#confirmedNodes.set(node.id, this.#nodes.get(node.id))
      this.#setNode(node.id, node)
    }
    for (const { parent, name, node } of delta.entries) {
      let entries = this.#confirmedEntries.get(parent)
      if (entries === undefined)
        this.#confirmedEntries.set(parent, (entries = new Map<Name, string | undefined>()))
      if (!entries.has(name)) {
        const confirmed = this.entry(parent, name)
        entries.set(name, confirmed)
        if (confirmed !== undefined) {
          this.#lostNames.set(confirmed, [...(this.#lostNames.get(confirmed) ?? []), { parent, name }])
        }
      }
      this.#setEntry(parent, name, node ?? undefined)
    }
    for (const { alias, node } of delta.aliases) {
      if (this.#aliases.has(alias)) continue
      this.#aliases.set(alias, node)
      this.#localAliases.add(alias)
    }
  }

  /** Changes the confirmed tree; only where nothing local lies over what the change names. */
  applyConfirmed(delta: TreeDelta): void {
    for (const node of delta.nodes) this.#setNode(node.id, node)
    for (const { parent, name, node } of delta.entries) this.#setEntry(parent, name, node ?? undefined)
    for (const { alias, node } of delta.aliases) this.setAlias(alias, node)
  }

  /** Takes in a confirmed node with its names, while there is nothing local. */
  load(node: NodeImage, names: readonly EntryKey[]): void {
    this.#nodes.set(node.id, node)
    for (const { parent, name } of names) this.#setEntry(parent, name, node.id)
  }

  /** Notes a confirmed alias. */
  setAlias(alias: string, node: string): void {
    this.#aliases.set(alias, node)
    this.#localAliases.delete(alias)
  }

  /** The aliases known to the service. */
  *confirmedAliases(): Iterable<[alias: string, node: string]> {
    for (const [alias, node] of this.#aliases) if (!this.#localAliases.has(alias)) yield [alias, node]
  }

  /**
   * Makes local changes confirmed ones, as the service applied them: what nothing later lies over takes the service's
   * image, anything else keeps what is shown. False, with nothing done, where the change names what is not local.
   */
  confirm(delta: TreeDelta, isLater: (id: string) => boolean): boolean {
    const isLocal =
      delta.nodes.every(({ id }) => this.#confirmedNodes.has(id)) &&
      delta.entries.every(({ parent, name }) => this.#confirmedEntries.get(parent)?.has(name) === true)
    if (!isLocal) return false
    for (const node of delta.nodes) {
      if (isLater(node.id)) this.#confirmedNodes.set(node.id, node)
      else {
        this.#confirmedNodes.delete(node.id)
        this.#setNode(node.id, node)
      }
    }
    for (const { parent, name, node } of delta.entries) this.#confirmEntry(parent, name, node ?? undefined)
    for (const { alias, node } of delta.aliases) this.setAlias(alias, node)
    return true
  }

  /** True where a change names something that local operations changed. */
  overlaps(delta: TreeDelta): boolean {
    return (
      delta.nodes.some((node) => this.#confirmedNodes.has(node.id)) ||
      delta.entries.some(({ parent, name }) => this.#confirmedEntries.get(parent)?.has(name) === true) ||
      delta.aliases.length > 0
    )
  }

  /** What local operations changed. */
  localTouch(): { nodes: string[]; entries: EntryKey[] } {
    const entries: EntryKey[] = []
    for (const [parent, names] of this.#confirmedEntries) {
      for (const name of names.keys()) entries.push({ parent, name })
    }
    return { nodes: [...this.#confirmedNodes.keys()], entries }
  }

  /** Takes all local changes away. */
  rollBack(): void {
    // Names first: counting directories needs the kinds of nodes that are about to go.
    for (const [parent, entries] of this.#confirmedEntries) {
      for (const [name, node] of entries) this.#setEntry(parent, name, node)
    }
    for (const [id, node] of this.#confirmedNodes) this.#setNode(id, node)
    for (const alias of this.#localAliases) this.#aliases.delete(alias)
    this.#confirmedNodes.clear()
    this.#confirmedEntries.clear()
    this.#lostNames.clear()
    this.#localAliases.clear()
  }

  /** Forgets a deleted node for good; it must carry no local change. */
  forget(id: string): void {
    if (!this.#confirmedNodes.has(id)) this.#setNode(id, undefined)
  }

  #confirmEntry(parent: string, name: Name, node: string | undefined): void {
    const entries = this.#confirmedEntries.get(parent)
    const before = entries?.get(name)
    if (before !== undefined) {
      const left = (this.#lostNames.get(before) ?? []).filter(
        (key) => key.parent !== parent || key.name !== name,
      )
      if (left.length > 0) this.#lostNames.set(before, left)
      else this.#lostNames.delete(before)
    }
    if (this.entry(parent, name) === node) {
      entries?.delete(name)
      if (entries?.size === 0) this.#confirmedEntries.delete(parent)
      return
    }
    entries?.set(name, node)
    if (node !== undefined)
      this.#lostNames.set(node, [...(this.#lostNames.get(node) ?? []), { parent, name }])
  }

  #setNode(id: string, node: NodeImage | undefined): void {
    if (node === undefined) this.#nodes.delete(id)
    else this.#nodes.set(id, node)
  }

  #setEntry(parent: string, name: Name, node: string | undefined): void {
    let children = this.#children.get(parent)
    const before = children?.get(name)
    if (before === node) return
    if ((before === undefined) !== (node === undefined) && isConflictName(name)) {
      this.#conflictCopies += node === undefined ? -1 : 1
    }
    if (before !== undefined) {
      this.#dropName(before, parent, name)
      this.#countDirectory(parent, before, -1)
      children?.delete(name)
      if (children?.size === 0 && node === undefined) this.#children.delete(parent)
    }
    if (node === undefined) return
    if (children === undefined) this.#children.set(parent, (children = new Map<Name, string>()))
    children.set(name, node)
    this.#addName(node, { parent, name })
    this.#countDirectory(parent, node, 1)
  }

  #countDirectory(parent: string, node: string, by: number): void {
    // The kind of a node never changes and outlives its name: a deleted image is still here.
    if (this.#nodes.get(node)?.kind !== 'directory') return
    const count = (this.#directories.get(parent) ?? 0) + by
    if (count === 0) this.#directories.delete(parent)
    else this.#directories.set(parent, count)
  }

  #addName(node: string, key: EntryKey): void {
    const names = this.#names.get(node)
    if (names === undefined) this.#names.set(node, key)
    else this.#names.set(node, Array.isArray(names) ? [...names, key] : [names, key])
  }

  #dropName(node: string, parent: string, name: Name): void {
    const left = this.entriesOf(node).filter((key) => key.parent !== parent || key.name !== name)
    const [only] = left
    if (only === undefined) this.#names.delete(node)
    else this.#names.set(node, left.length === 1 ? only : left)
  }
}
