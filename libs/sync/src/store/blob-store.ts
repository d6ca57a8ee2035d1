import { closeSync, openSync, readdirSync, readFileSync, statSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { freeBytes } from '@agentfs/contracts'
import { SEALED_EXTRA_BYTES, type Sealer } from './sealer.js'
import { translated, type StoreDatabase } from './store-database.js'
import { StoreError } from './store-error.js'
import { syncDirectory, syncFile } from './store-folder.js'

/** Larger blobs stand in files: rows of megabytes would go through the log twice. */
const ROW_BYTES_MAX = 65_536
/** How much opened bytes are kept for the next read of the same block. */
const OPENED_BYTES_MAX = 16 * 1_048_576

/** Sealed bytes under a number. Never changed; ids are never reused while a store is open. */
export class BlobStore {
  /**
   * Blobs that are lost: as found at the opening those of the journal and of the push in flight whose rows, in the log, survived
   * the end of power, and whose files did not; later any whose bytes are gone, or are not those that were written.
   */
  readonly torn = new Set<number>()
  readonly #database: StoreDatabase
  readonly #sealer: Sealer
  readonly #folder: string
  readonly #holds = new Map<number, number>()
  readonly #condemned = new Set<number>()
  readonly #unsynced = new Set<number>()
  // Of the running transaction.
  readonly #added: number[] = []
  readonly #dropped: number[] = []
  readonly #condemnedNow: number[] = []
  readonly #opened = new Map<number, Buffer>()
  #openedBytes = 0
  #nextId: number

  constructor(database: StoreDatabase, sealer: Sealer, folder: string) {
    this.#database = database
    this.#sealer = sealer
    this.#folder = folder
    this.#sweep()
    this.#nextId = Number(database.sql('select max(id) as id from blobs').get()?.['id'] ?? 0) + 1
  }

  /** Keeps bytes, as a piece of an entry where one is named; to be called within the transaction that refers to them. */
  add(bytes: Uint8Array, piece?: { readonly entry: number; readonly start: number }): number {
    const id = this.#nextId++
    const row = bytes.length > ROW_BYTES_MAX ? null : this.#sealer.seal('blobs', id, bytes)
    // Before the row: a file without a row is swept at the next opening, a row without a file would be a loss.
    if (row === null) this.#addFile(id, bytes)
    if (piece === undefined) {
      this.#database.sql('insert into blobs (id, length, sealed) values (?, ?, ?)').run(id, bytes.length, row)
    } else {
      this.#database
        .sql('insert into blobs (id, length, entry, start, used, sealed) values (?, ?, ?, ?, ?, ?)')
        .run(id, bytes.length, piece.entry, piece.start, bytes.length, row)
    }
    return id
  }

  /** The bytes of a blob; not to be changed. */
  read(id: number): Buffer {
    const opened = this.#opened.get(id)
    if (opened !== undefined) return opened
    const { bytes, inFile } = this.#load(id)
    if (inFile) this.#keepOpened(id, bytes)
    return bytes
  }

  /** Copies bytes of a blob from a place on; for what is not soon read again, and is not kept open for that. */
  copy(id: number, from: number, target: Uint8Array): void {
    const opened = this.#opened.get(id)
    const bytes = opened ?? this.#load(id).bytes
    target.set(bytes.subarray(from, from + target.length))
    if (opened === undefined) freeBytes(bytes)
  }

  /** How many bytes a blob holds. */
  length(id: number): number {
    return Number(this.#database.sql('select length from blobs where id = ?').get(id)?.['length'] ?? 0)
  }

  /** Removes a blob, now or when the last hold on it ends. */
  remove(id: number): void {
    if (!this.#holds.has(id)) this.#drop(id)
    else if (!this.#condemned.has(id)) {
      this.#condemned.add(id)
      this.#condemnedNow.push(id)
    }
  }

  /** Keeps a blob readable after its removal, for files that are open. */
  hold(id: number): void {
    this.#holds.set(id, (this.#holds.get(id) ?? 0) + 1)
  }

  /** Ends a hold. */
  unhold(id: number): void {
    const count = (this.#holds.get(id) ?? 1) - 1
    if (count > 0) this.#holds.set(id, count)
    else {
      this.#holds.delete(id)
      if (this.#condemned.delete(id)) {
        this.#drop(id)
        this.committed()
      }
    }
  }

  /** After a transaction: deletes the files of the blobs it removed, not before, so that undoing it finds them. */
  committed(): void {
    this.#added.length = 0
    this.#condemnedNow.length = 0
    for (const id of this.#dropped.splice(0)) {
      this.#unsynced.delete(id)
      removeQuietly(this.#file(id))
    }
  }

  /** After a transaction was undone: deletes the files it wrote, forgets what it removed. */
  undone(): void {
    this.#dropped.length = 0
    for (const id of this.#condemnedNow.splice(0)) this.#condemned.delete(id)
    for (const id of this.#added.splice(0)) {
      this.#unsynced.delete(id)
      removeQuietly(this.#file(id))
    }
  }

  /** Makes the files written so far survive power loss. */
  sync(): void {
    if (this.#unsynced.size === 0) return
    for (const id of this.#unsynced) syncFile(this.#file(id))
    syncDirectory(this.#folder)
    this.#unsynced.clear()
  }

  #drop(id: number): void {
    const row = this.#database.sql('delete from blobs where id = ? returning sealed is null as file').get(id)
    if (row?.['file'] === 1) this.#dropped.push(id)
    const opened = this.#opened.get(id)
    if (opened !== undefined) {
      this.#opened.delete(id)
      this.#openedBytes -= opened.length
    }
  }

  #addFile(id: number, bytes: Uint8Array): void {
    const pieces = this.#sealer.sealInPieces('blobs', id, bytes)
    // To be undone however little of it was written.
    this.#added.push(id)
    translated(() => writePieces(this.#file(id), pieces))
    pieces.forEach(freeBytes)
    this.#unsynced.add(id)
  }

  #load(id: number): { readonly bytes: Buffer; readonly inFile: boolean } {
    const row = this.#database.sql('select sealed from blobs where id = ?').get(id)
    if (row === undefined) throw new StoreError('store_unreadable', `blob ${id} of the client store is gone`)
    const inFile = !(row['sealed'] instanceof Uint8Array)
    const sealed = row['sealed'] instanceof Uint8Array ? row['sealed'] : this.#readFile(id)
    try {
      return { bytes: this.#sealer.open('blobs', id, sealed), inFile }
    } catch (error) {
      this.torn.add(id)
      throw error
    } finally {
      if (inFile) freeBytes(sealed)
    }
  }

  #readFile(id: number): Buffer {
    try {
      return readFileSync(this.#file(id))
    } catch (error) {
      // Anything else, such as too many open files, may pass.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') this.torn.add(id)
      throw new StoreError('store_unreadable', `file ${id} of the client store is gone`, {}, { cause: error })
    }
  }

  #keepOpened(id: number, bytes: Buffer): void {
    this.#opened.set(id, bytes)
    this.#openedBytes += bytes.length
    for (const [oldest, kept] of this.#opened) {
      if (this.#openedBytes <= OPENED_BYTES_MAX) break
      this.#opened.delete(oldest)
      this.#openedBytes -= kept.length
    }
  }

  /** What a crash left behind: blobs that nothing names, files without a blob, blobs without their file. */
  #sweep(): void {
    this.#database.transaction(() =>
      this.#database
        .sql(
          `delete from blobs where entry is null and id not in (select blob from cache)
           and id not in (select blob from pushes)`,
        )
        .run(),
    )
    const inFiles = new Set<string>()
    const rows = this.#database
      .sql(
        `select id, length, entry > 0 or id in (select blob from pushes) as needed from blobs
         where sealed is null`,
      )
      .all()
    for (const { id, length, needed } of rows) {
      inFiles.add(String(id))
      if (needed !== 1) continue
      const size = statSync(this.#file(Number(id)), { throwIfNoEntry: false })?.size
      if (size !== Number(length) + SEALED_EXTRA_BYTES) this.torn.add(Number(id))
    }
    for (const name of readdirSync(this.#folder)) {
      if (!inFiles.has(name)) removeQuietly(join(this.#folder, name))
    }
  }

  #file(id: number): string {
    return join(this.#folder, String(id))
  }
}

function writePieces(path: string, pieces: readonly Uint8Array[]): void {
  const fd = openSync(path, 'w', 0o600)
  try {
    for (const piece of pieces) {
      for (let done = 0; done < piece.length;) done += writeSync(fd, piece, done)
    }
  } finally {
    closeSync(fd)
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // Small blobs have no file; what stays is swept at the next opening.
  }
}
