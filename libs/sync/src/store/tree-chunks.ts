import type { Name, NodeImage } from '@agentfs/contracts'
import type { EntryKey } from '@agentfs/tree'
import { decode, encode } from './row-codec.js'
import type { Sealer } from './sealer.js'
import type { StoreDatabase } from './store-database.js'

/**
 * Nodes to a row. Sealing and reading rows one node at a time would take a second for 100,000 nodes; 64 keep the opening
 * below half of one and a change at some 10 KB.
 */
const CHUNK_NODES = 64

/** A confirmed node as persisted. */
export interface StoredNode {
  readonly image: NodeImage
  readonly ino: number
  readonly names: readonly EntryKey[]
}

type Packed = [ino: number, image: unknown[], names: string[]]

/** The confirmed tree on disk: nodes in slots, 64 slots to a sealed row. */
export class TreeChunks {
  readonly #database: StoreDatabase
  readonly #sealer: Sealer
  readonly #slots: (string | undefined)[] = []
  readonly #slotOf = new Map<string, number>()
  readonly #free: number[] = []

  constructor(database: StoreDatabase, sealer: Sealer) {
    this.#database = database
    this.#sealer = sealer
  }

  /** Reads all nodes. */
  *load(): Iterable<StoredNode> {
    const interned = new Map<string, string>()
    for (const row of this.#database.sql('select chunk, sealed from tree order by chunk').all()) {
      const chunk = Number(row['chunk'])
      if (!(row['sealed'] instanceof Uint8Array)) continue
      const packed = decode(this.#sealer.open('tree', chunk, row['sealed'])) as (Packed | null)[]
      for (let offset = 0; offset < CHUNK_NODES; offset++) {
        const slot = chunk * CHUNK_NODES + offset
        const node = packed[offset]
        if (node === undefined || node === null) {
          this.#free.push(slot)
          continue
        }
        const image = unpackImage(node[1], interned)
        this.#slots[slot] = image.id
        this.#slotOf.set(image.id, slot)
        yield { ino: node[0], image, names: unpackNames(node[2], interned) }
      }
    }
  }

  /** Writes nodes anew: `current` answers what to keep of an id, undefined to drop it. Within a transaction. */
  write(ids: Iterable<string>, current: (id: string) => StoredNode | undefined): void {
    const dirty = new Set<number>()
    for (const id of ids) {
      let slot = this.#slotOf.get(id)
      const keep = current(id) !== undefined
      if (slot === undefined && !keep) continue
      if (slot === undefined) {
        slot = this.#free.pop() ?? this.#slots.length
        this.#slots[slot] = id
        this.#slotOf.set(id, slot)
      } else if (!keep) {
        this.#slots[slot] = undefined
        this.#slotOf.delete(id)
        this.#free.push(slot)
      }
      dirty.add(Math.floor(slot / CHUNK_NODES))
    }
    for (const chunk of dirty) this.#writeChunk(chunk, current)
  }

  /** Forgets the whole tree; within the transaction that writes another. */
  clear(): void {
    this.#database.sql('delete from tree').run()
    this.#slots.length = 0
    this.#free.length = 0
    this.#slotOf.clear()
  }

  #writeChunk(chunk: number, current: (id: string) => StoredNode | undefined): void {
    const packed: (Packed | null)[] = []
    for (let offset = 0; offset < CHUNK_NODES; offset++) {
      const id = this.#slots[chunk * CHUNK_NODES + offset]
      const node = id === undefined ? undefined : current(id)
      packed.push(node === undefined ? null : [node.ino, packImage(node.image), packNames(node.names)])
    }
    this.#database
      .sql(
        'insert into tree (chunk, sealed) values (?, ?) on conflict (chunk) do update set sealed = excluded.sealed',
      )
      .run(chunk, this.#sealer.seal('tree', chunk, encode(packed)))
  }
}

function packNames(names: readonly EntryKey[]): string[] {
  return names.flatMap(({ parent, name }) => [parent, name])
}

function unpackNames(packed: string[], interned: Map<string, string>): EntryKey[] {
  const names: EntryKey[] = []
  for (let index = 0; index + 1 < packed.length; index += 2) {
    names.push({ parent: intern(interned, packed[index] ?? ''), name: packed[index + 1] as Name })
  }
  return names
}

function packImage(image: NodeImage): unknown[] {
  const { id, kind, mode, uid, gid, mtime, ctime, size, version, number, links } = image
  const { createdAt, modifiedAt, modifiedBy, seq, target, xattrs } = image
  const common = [id, kind, mode, uid, gid, ...mtime, ...ctime, size, version, number, links]
  return [...common, createdAt, modifiedAt, modifiedBy, seq, target ?? null, xattrs ?? null]
}

function unpackImage(packed: unknown[], interned: Map<string, string>): NodeImage {
  const [id, kind, mode, uid, gid, mtime, mtimeNs, ctime, ctimeNs, size, version, number, links] = packed
  const [createdAt, modifiedAt, modifiedBy, seq, target, xattrs] = packed.slice(13)
  const image = { id, kind, mode, uid, gid, mtime: [mtime, mtimeNs], ctime: [ctime, ctimeNs], size, version }
  return {
    ...image,
    number,
    links,
    createdAt,
    modifiedAt,
    modifiedBy: intern(interned, String(modifiedBy)),
    seq,
    ...(target === null ? {} : { target }),
    ...(xattrs === null ? {} : { xattrs }),
  } as NodeImage
}

/** One string for many equal ones: parents and authors repeat by the thousand. */
function intern(strings: Map<string, string>, text: string): string {
  const known = strings.get(text)
  if (known !== undefined) return known
  strings.set(text, text)
  return text
}
