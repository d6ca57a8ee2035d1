/** What is known of a file that is not stored yet: the newest commit, and the one that brought each block. */
interface Unstored {
  readonly seq: number
  readonly blocks: Map<number, number>
}

/**
 * Which blocks of acknowledged files the service has not stored yet [SY-4]: those that were written since. Of a file that was
 * not stored when this process began, or was given content of another one, nothing is known, and all of it counts as not stored.
 */
export class UnstoredBlocks {
  readonly #nodes = new Map<string, Unstored>()

  /** Notes what a commit brought; `isFirst` where everything before it was stored. */
  note(node: string, brought: Iterable<number>, seq: number, isFirst: boolean): void {
    const known = isFirst ? new Map<number, number>() : this.#nodes.get(node)?.blocks
    if (known === undefined) return
    for (const block of brought) known.set(block, seq)
    this.#nodes.set(node, { seq, blocks: known })
  }

  /** Notes that a commit gave a file content of another one: which of it is stored is not known. */
  noteForeign(node: string): void {
    this.#nodes.delete(node)
  }

  /** Forgets what is stored. */
  stored(through: number): void {
    for (const [node, { seq, blocks }] of this.#nodes) {
      if (seq <= through) this.#nodes.delete(node)
      else for (const [block, at] of blocks) if (at <= through) blocks.delete(block)
    }
  }

  /** True where a block of a file that is not stored yet must stay here. */
  has(node: string, block: number): boolean {
    return this.#nodes.get(node)?.blocks.has(block) ?? true
  }

  clear(): void {
    this.#nodes.clear()
  }
}
