import {
  entryBytes,
  isLocalContent,
  namedNodes,
  operationBytes,
  type JournalEntry,
  type Piece,
} from './journal-entry.js'
import { decode, encode } from './row-codec.js'
import type { Sealer } from './sealer.js'
import type { StoreDatabase } from './store-database.js'
import { StoreError } from './store-error.js'

/** What every entry counts against the bound besides its content. */
const ENTRY_OVERHEAD_BYTES = 256

/**
 * The journal: entries in order, in memory and on disk. Methods named `store…` write rows, within the caller's
 * transaction; the others change memory, after it committed, so that a full disk leaves both as they were.
 */
export class Journal {
  readonly #database: StoreDatabase
  readonly #sealer: Sealer
  readonly #entries = new Map<number, JournalEntry>()
  readonly #byVersion = new Map<string, number>()
  readonly #mentions = new Map<string, number>()
  #nextSeq = 1
  #bytes = 0

  constructor(database: StoreDatabase, sealer: Sealer) {
    this.#database = database
    this.#sealer = sealer
  }

  /** Reads all entries; `store_unreadable` where one cannot be read [DUR-7]. */
  load(): void {
    this.#entries.clear()
    this.#byVersion.clear()
    this.#mentions.clear()
    this.#bytes = 0
    const pieces = new Map<number, Piece[]>()
    const rows = this.#database
      .sql('select id, entry, start, used from blobs where entry > 0 order by id')
      .all()
    for (const row of rows) {
      const entry = Number(row['entry'])
      const piece = { blob: Number(row['id']), start: Number(row['start']), length: Number(row['used']) }
      const known = pieces.get(entry)
      if (known === undefined) pieces.set(entry, [piece])
      else known.push(piece)
    }
    for (const row of this.#database.sql('select seq, push, sealed from journal order by seq').all()) {
      const seq = Number(row['seq'])
      if (!(row['sealed'] instanceof Uint8Array))
        throw new StoreError('store_unreadable', 'a journal row is empty')
      const body = decode(this.#sealer.open('journal', seq, row['sealed'])) as EntryBody
      this.put({ ...body, seq, push: Number(row['push']), pieces: pieces.get(seq) ?? [] })
    }
    const highest = this.#database.sql('select max(seq) as seq from journal').get()?.['seq']
    this.#nextSeq = Math.max(this.#nextSeq, Number(highest ?? 0) + 1)
  }

  /** The number for a new entry. */
  takeSeq(): number {
    return this.#nextSeq++
  }

  /** The newest number given out. */
  get tail(): number {
    return this.#nextSeq - 1
  }

  /** Never goes below: numbers already reported stay unique. */
  raiseSeq(seq: number): void {
    this.#nextSeq = Math.max(this.#nextSeq, seq + 1)
  }

  get(seq: number): JournalEntry | undefined {
    return this.#entries.get(seq)
  }

  /** The entry that makes a version; undefined for versions of the service. */
  byVersion(version: string): JournalEntry | undefined {
    const seq = this.#byVersion.get(version)
    return seq === undefined ? undefined : this.#entries.get(seq)
  }

  /** Entries in order. */
  entries(): Iterable<JournalEntry> {
    return this.#entries.values()
  }

  /** True where an entry names the node. */
  mentions(node: string): boolean {
    return this.#mentions.has(node)
  }

  get size(): number {
    return this.#entries.size
  }

  /** Bytes that count against the journal's bound. */
  get bytes(): number {
    return this.#bytes
  }

  /** What an entry counts against the bound. */
  static cost(entry: JournalEntry): number {
    return ENTRY_OVERHEAD_BYTES + operationBytes(entry.operation) + entryBytes(entry)
  }

  /** Writes an entry's row, a new one or over the old. */
  storeEntry(entry: JournalEntry): void {
    const { seq, push, pieces: _pieces, ...body } = entry
    this.#database
      .sql(
        `insert into journal (seq, push, sealed) values (?, ?, ?)
         on conflict (seq) do update set push = excluded.push, sealed = excluded.sealed`,
      )
      .run(seq, push, this.#sealer.seal('journal', seq, encode(body)))
  }

  /** Has a blob be a piece of an entry, a new one or at another place or length. */
  storePiece(seq: number, piece: Piece): void {
    this.#database
      .sql('update blobs set entry = ?, start = ?, used = ? where id = ?')
      .run(seq, piece.start, piece.length, piece.blob)
  }

  /** Has a blob be no piece any more; the blob is the caller's. */
  storePieceGone(piece: Piece): void {
    this.#database.sql('update blobs set entry = null where id = ?').run(piece.blob)
  }

  /** Drops an entry's row; its pieces are the caller's. */
  storeEntryGone(seq: number): void {
    this.#database.sql('delete from journal where seq = ?').run(seq)
  }

  /** Puts an entry, new or changed. Seqs only grow, so a Map keeps the order. */
  put(entry: JournalEntry): void {
    const before = this.#entries.get(entry.seq)
    if (before !== undefined) this.#forget(before)
    this.#entries.set(entry.seq, entry)
    this.#bytes += Journal.cost(entry)
    if (isLocalContent(entry.operation)) this.#byVersion.set(entry.operation.version, entry.seq)
    for (const id of namedNodes(entry.operation)) this.#mentions.set(id, (this.#mentions.get(id) ?? 0) + 1)
  }

  /** Takes an entry out. */
  remove(seq: number): void {
    const entry = this.#entries.get(seq)
    if (entry === undefined) return
    this.#forget(entry)
    this.#entries.delete(seq)
  }

  #forget(entry: JournalEntry): void {
    this.#bytes -= Journal.cost(entry)
    if (isLocalContent(entry.operation)) this.#byVersion.delete(entry.operation.version)
    for (const id of namedNodes(entry.operation)) {
      const count = (this.#mentions.get(id) ?? 1) - 1
      if (count > 0) this.#mentions.set(id, count)
      else this.#mentions.delete(id)
    }
  }
}

type EntryBody = Omit<JournalEntry, 'seq' | 'push' | 'pieces'>
