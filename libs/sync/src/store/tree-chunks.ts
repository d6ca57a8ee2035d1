import type { NodeImage } from '@agentfs/contracts'
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

/** A node as packed; `…At`, `modifiedBy` and the parents of names are places in the chunk's list of strings. */
type PackedNode = [
  ino: number,
  names: (number | string)[],
  id: string,
  kind: NodeImage['kind'],
  mode: number,
  uid: number,
  gid: number,
  mtimeSeconds: number,
  mtimeNanoseconds: number,
  ctimeSeconds: number,
  ctimeNanoseconds: number,
  size: number,
  version: string | null,
  number: number,
  links: number,
  createdAt: number,
  modifiedAt: number,
  modifiedBy: number,
  seq: number,
  target: string | null,
  xattrs: Record<string, string> | null,
]

/** Parents, authors and times repeat within a chunk: each is written, read and kept once. */
interface PackedChunk {
  readonly strings: readonly string[]
  readonly nodes: readonly (PackedNode | null)[]
}

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
    for (const row of this.#database.sql('select chunk, sealed from tree order by chunk').iterate()) {
      const chunk = Number(row['chunk'])
      if (!(row['sealed'] instanceof Uint8Array)) continue
      const packed = decode(this.#sealer.open('tree', chunk, row['sealed'])) as PackedChunk
      const strings = packed.strings.map((text) => intern(interned, text))
      for (let offset = 0; offset < CHUNK_NODES; offset++) {
        const slot = chunk * CHUNK_NODES + offset
        const node = packed.nodes[offset]
        if (node === undefined || node === null) {
          this.#free.push(slot)
          continue
        }
        const image = unpackImage(node, strings)
        this.#slots[slot] = image.id
        this.#slotOf.set(image.id, slot)
        yield { ino: node[0], image, names: unpackNames(node[1], strings) }
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
    const strings = new Map<string, number>()
    const nodes: (PackedNode | null)[] = []
    for (let offset = 0; offset < CHUNK_NODES; offset++) {
      const id = this.#slots[chunk * CHUNK_NODES + offset]
      const node = id === undefined ? undefined : current(id)
      nodes.push(node === undefined ? null : packNode(node, strings))
    }
    const packed: PackedChunk = { strings: [...strings.keys()], nodes }
    this.#database
      .sql(
        'insert into tree (chunk, sealed) values (?, ?) on conflict (chunk) do update set sealed = excluded.sealed',
      )
      .run(chunk, this.#sealer.seal('tree', chunk, encode(packed)))
  }
}

function packNode({ ino, image, names }: StoredNode, strings: Map<string, number>): PackedNode {
  const { id, kind, mode, uid, gid, mtime, ctime, size, version, number, links } = image
  const { createdAt, modifiedAt, modifiedBy, seq, target, xattrs } = image
  return [
    ino,
    names.flatMap(({ parent, name }) => [placeOf(strings, parent), name]),
    ...([id, kind, mode, uid, gid] as const),
    ...mtime,
    ...ctime,
    ...([size, version, number, links] as const),
    placeOf(strings, createdAt),
    placeOf(strings, modifiedAt),
    placeOf(strings, modifiedBy),
    seq,
    target ?? null,
    xattrs ?? null,
  ]
}

function placeOf(strings: Map<string, number>, text: string): number {
  const known = strings.get(text)
  if (known !== undefined) return known
  strings.set(text, strings.size)
  return strings.size - 1
}

/** Fields in one order and at once: a hundred thousand of these are kept. */
function unpackImage(packed: PackedNode, strings: readonly string[]): NodeImage {
  const image: NodeImage = {
    id: packed[2],
    kind: packed[3],
    mode: packed[4],
    uid: packed[5],
    gid: packed[6],
    mtime: [packed[7], packed[8]],
    ctime: [packed[9], packed[10]],
    size: packed[11],
    version: packed[12],
    number: packed[13],
    links: packed[14],
    createdAt: strings[packed[15]] ?? '',
    modifiedAt: strings[packed[16]] ?? '',
    modifiedBy: strings[packed[17]] ?? '',
    seq: packed[18],
  }
  if (packed[19] !== null) image.target = packed[19]
  if (packed[20] !== null) image.xattrs = packed[20]
  return image
}

function unpackNames(packed: readonly (number | string)[], strings: readonly string[]): EntryKey[] {
  const names: EntryKey[] = []
  for (let at = 0; at + 1 < packed.length; at += 2) {
    names.push({ parent: strings[Number(packed[at])] ?? '', name: String(packed[at + 1]) })
  }
  return names
}

/** One string for many equal ones. */
function intern(strings: Map<string, string>, text: string): string {
  const known = strings.get(text)
  if (known !== undefined) return known
  strings.set(text, text)
  return text
}
