import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { StoreError } from './store-error.js'

/** Layout of the database; a store of another number is refused rather than misread. */
const STORE_SCHEMA_VERSION = 1

const PAGE_BYTES = 4_096

const SCHEMA = `
create table meta (key text primary key, sealed blob not null) without rowid;
-- Operations in order; push 0 is waiting, else the number of the push that carries it.
create table journal (seq integer primary key, push integer not null default 0, sealed blob not null);
-- Sealed bytes; null where they stand in a file of this id. The bytes of a content operation are its pieces: entry > 0
-- is a journal entry, < 0 a rejected one, used bytes of them stand at start of the file.
create table blobs (id integer primary key, length integer not null, entry integer, start integer, used integer, sealed blob);
create index blobs_entry on blobs (entry) where entry < 0;
create table cache (version text not null, block integer not null, blob integer not null, length integer not null,
  used integer not null, primary key (version, block)) without rowid;
create index cache_used on cache (used);
-- Confirmed nodes with their names and inode numbers, 64 to a row.
create table tree (chunk integer primary key, sealed blob not null);
create table aliases (alias text primary key, node text not null) without rowid;
create table pushes (number integer primary key, blob integer not null, sealed blob not null);
create table rejected (id integer primary key, sealed blob not null);
-- Acknowledged but not yet stored versions of this client, by node [SY-4].
create table unstored (node text primary key, version text not null, seq integer not null) without rowid;
`

/** SQLite as the store uses it: WAL, one process, statements prepared once, transactions that leave nothing half done. */
export class StoreDatabase {
  readonly path: string
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, Statement>()
  #depth = 0

  constructor(path: string) {
    this.path = path
    this.#database = translated(() => new DatabaseSync(path, { timeout: 0 }))
    try {
      translated(() => this.#prepare())
    } catch (error) {
      this.#database.close()
      throw error
    }
  }

  /** The prepared statement of a text. */
  sql(text: string): Statement {
    let statement = this.#statements.get(text)
    if (statement === undefined) {
      statement = new Statement(this.#database.prepare(text))
      this.#statements.set(text, statement)
    }
    return statement
  }

  /** Runs work in one transaction; what it throws undoes it. Nested calls join the outer one. */
  transaction<T>(work: () => T): T {
    if (this.#depth > 0) return work()
    return translated(() => {
      this.sql('begin immediate').run()
      this.#depth++
      try {
        const result = work()
        this.sql('commit').run()
        return result
      } catch (error) {
        // A full disk may have rolled back by itself.
        if (this.#database.isTransaction) this.sql('rollback').run()
        throw error
      } finally {
        this.#depth--
      }
    })
  }

  /** Moves what the log holds into the database, as far as that needs no waiting. */
  checkpoint(): void {
    translated(() => this.#database.exec('pragma wal_checkpoint(passive)'))
  }

  /** Bounds the database's size; beyond it writes fail as on a full disk. */
  limitBytes(bytes: number): void {
    this.#database.exec(`pragma max_page_count = ${Math.max(1, Math.floor(bytes / PAGE_BYTES))}`)
  }

  close(): void {
    this.#statements.clear()
    this.#database.close()
  }

  #prepare(): void {
    const database = this.#database
    // Exclusive before the first access: a second process is refused, and the log needs no shared memory.
    database.exec('pragma locking_mode = exclusive; pragma journal_mode = wal; pragma synchronous = normal')
    database.exec('pragma temp_store = memory; pragma wal_autocheckpoint = 8000; pragma cache_size = -8000')
    database.exec('begin immediate')
    const version = Number(database.prepare('pragma user_version').get()?.['user_version'])
    if (version === 0) {
      database.exec(SCHEMA)
      database.exec(`pragma user_version = ${STORE_SCHEMA_VERSION}`)
    }
    database.exec('commit')
    if (version !== 0 && version !== STORE_SCHEMA_VERSION) {
      throw new StoreError(
        'store_unreadable',
        `the client store has layout ${version}, this client reads ${STORE_SCHEMA_VERSION}; use the client that wrote it`,
      )
    }
  }
}

type Value = number | string | Uint8Array | null
/** A row as SQLite answers it. */
export type Row = Record<string, unknown>

/** A prepared statement; failures come as StoreError. */
export class Statement {
  readonly #statement: StatementSync

  constructor(statement: StatementSync) {
    this.#statement = statement
  }

  run(...values: Value[]): void {
    translated(() => this.#statement.run(...values))
  }

  get(...values: Value[]): Row | undefined {
    return translated(() => this.#statement.get(...values))
  }

  /** Rows one at a time, for tables that are large; nothing else may run on the table meanwhile. */
  iterate(...values: Value[]): Iterable<Row> {
    return translated(() => this.#statement.iterate(...values))
  }

  all(...values: Value[]): Row[] {
    return translated(() => this.#statement.all(...values))
  }
}

const SQLITE_BUSY = 5
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_NOTADB = 26

/** Runs work on the disk; its failures come as StoreError where they mean something to a user. */
export function translated<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    // Not by class: errors of Node's own modules may be of another realm.
    if (error instanceof StoreError || typeof error !== 'object' || error === null) throw error
    const primary = 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : 0
    const code = 'code' in error ? error.code : undefined
    if (primary === SQLITE_FULL || code === 'ENOSPC' || code === 'EDQUOT') {
      throw new StoreError('disk_full', 'the disk under the client store is full', {}, { cause: error })
    }
    if (primary === SQLITE_BUSY) {
      throw new StoreError('store_locked', 'another process has the client store open', {}, { cause: error })
    }
    if (primary === SQLITE_CORRUPT || primary === SQLITE_NOTADB) {
      throw new StoreError(
        'store_unreadable',
        'the client store is damaged: its database cannot be read',
        {},
        { cause: error },
      )
    }
    throw error
  }
}
