import { readMeta, writeMeta, type MetaAccess } from './meta.js'

/** The inode number of the root, as FUSE wants it. */
export const ROOT_INO = 1
const RESERVED = 4_096

/**
 * Inode numbers of nodes. Never reused: a ceiling is persisted ahead in steps, so that a crash leaves a gap and no number
 * is handed out twice. The number a path shows may move to another node (save by rename), and several numbers may
 * lead to one node (aliases).
 */
export class InodeTable {
  readonly #meta: MetaAccess
  readonly #byNode = new Map<string, number>()
  readonly #byIno = new Map<number, string>()
  #next: number
  #ceiling: number

  constructor(meta: MetaAccess) {
    this.#meta = meta
    this.#ceiling = (readMeta(meta, 'inoCeiling') as number | undefined) ?? ROOT_INO + 1
    this.#next = this.#ceiling
  }

  /** The inode number that a node shows; undefined where it has none yet. */
  of(node: string): number | undefined {
    return this.#byNode.get(node)
  }

  /** The node behind an inode number, aliases not followed. */
  node(ino: number): string | undefined {
    return this.#byIno.get(ino)
  }

  /** The number of a node, a new one where it has none. */
  assign(node: string): number {
    const known = this.#byNode.get(node)
    if (known !== undefined) return known
    const ino = this.allocate()
    this.set(node, ino)
    return ino
  }

  /** A number that was never used. */
  allocate(): number {
    if (this.#next >= this.#ceiling) {
      const ceiling = this.#next + RESERVED
      writeMeta(this.#meta, 'inoCeiling', ceiling)
      this.#ceiling = ceiling
    }
    return this.#next++
  }

  /** Has a node show a number, from now on; who showed it before is given another when it is looked at again. */
  set(node: string, ino: number): void {
    const before = this.#byIno.get(ino)
    if (before !== undefined && this.#byNode.get(before) === ino) this.#byNode.delete(before)
    this.#byNode.set(node, ino)
    this.#byIno.set(ino, node)
  }

  /** Has a number lead nowhere. */
  drop(ino: number): void {
    const node = this.#byIno.get(ino)
    this.#byIno.delete(ino)
    if (node !== undefined && this.#byNode.get(node) === ino) this.#byNode.delete(node)
  }
}
