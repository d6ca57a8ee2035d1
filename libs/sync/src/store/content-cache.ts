import type { BlobStore } from './blob-store.js'
import type { StoreDatabase } from './store-database.js'
import { isStoreError } from './store-error.js'

/** Contents travel and are kept by blocks of this size. */
export const BLOCK_BYTES = 1_048_576

/** Whether a cached block may go: any time, only where nothing else can, or not at all. */
export type Evictable = 'freely' | 'last' | 'never'

/** How many blocks are lent where the disk has no room for them: as many as one read may need at once, and a few. */
const LENT_BLOCKS_MAX = 8

/** Contents of confirmed versions, by block, within a budget; the least recently used go first. */
export class ContentCache {
  readonly #database: StoreDatabase
  readonly #blobs: BlobStore
  readonly #bytesMax: number
  #bytes: number
  #tick: number
  /** Where nothing could go, the next try waits until more came. */
  #evictAbove: number
  readonly #used = new Map<string, { version: string; block: number }>()
  readonly #lent = new Map<string, Buffer>()

  constructor(database: StoreDatabase, blobs: BlobStore, bytesMax: number) {
    this.#database = database
    this.#blobs = blobs
    this.#bytesMax = bytesMax
    this.#evictAbove = bytesMax
    const row = database
      .sql('select coalesce(sum(length), 0) as bytes, coalesce(max(used), 0) as tick from cache')
      .get()
    this.#bytes = Number(row?.['bytes'] ?? 0)
    this.#tick = Number(row?.['tick'] ?? 0) + 1
  }

  get bytes(): number {
    return this.#bytes
  }

  /** True where a block is here. */
  has(version: string, block: number): boolean {
    return (
      this.#database.sql('select 1 from cache where version = ? and block = ?').get(version, block) !==
      undefined
    )
  }

  /** A block's bytes; undefined where it is not here. Not to be changed. */
  read(version: string, block: number): Buffer | undefined {
    const blob = this.blobOf(version, block)
    if (blob === undefined) return this.#lent.get(`${version}/${block}`)
    try {
      const bytes = this.#blobs.read(blob)
      this.#used.set(`${version}/${block}`, { version, block })
      return bytes
    } catch (error) {
      if (!isStoreError(error, 'store_unreadable')) throw error
      // Its row survived the end of power, its file did not: the service has it.
      this.#dropBlock(version, block)
      return undefined
    }
  }

  /** The blocks of a version that are here. */
  blocksOf(version: string): number[] {
    const rows = this.#database.sql('select block from cache where version = ? order by block').all(version)
    return rows.map((row) => Number(row['block']))
  }

  /** The blob of a block. */
  blobOf(version: string, block: number): number | undefined {
    const row = this.#database
      .sql('select blob from cache where version = ? and block = ?')
      .get(version, block)
    return row === undefined ? undefined : Number(row['blob'])
  }

  /** Keeps a block; one that is here already stays. Within a transaction. */
  add(version: string, block: number, bytes: Uint8Array): void {
    if (this.has(version, block)) return
    this.adopt(version, block, this.#blobs.add(bytes), bytes.length)
  }

  /** Keeps a block in memory for the reads that wait for it, where there is no room for it: it is gone soon. */
  lend(version: string, block: number, bytes: Uint8Array): void {
    this.#lent.set(`${version}/${block}`, Buffer.from(bytes))
    const [oldest] = this.#lent.keys()
    if (this.#lent.size > LENT_BLOCKS_MAX && oldest !== undefined) this.#lent.delete(oldest)
  }

  /** Takes over a blob as a block: what a push acknowledged need not be written twice. Within a transaction. */
  adopt(version: string, block: number, blob: number, length: number): void {
    this.#database
      .sql('insert into cache (version, block, blob, length, used) values (?, ?, ?, ?, ?)')
      // Each newer than the last: a block that a read waits for must not be the first to go again.
      .run(version, block, blob, length, this.#tick++)
    this.#bytes += length
  }

  /** Gives the blocks from one version to its successor, where they are the same. Within a transaction. */
  pass(version: string, block: number, successor: string): boolean {
    if (this.has(successor, block)) return true
    const row = this.#database
      .sql('update cache set version = ? where version = ? and block = ? returning length')
      .get(successor, version, block)
    return row !== undefined
  }

  /** Drops all blocks of a version. Within a transaction. */
  drop(version: string): void {
    const rows = this.#database.sql('delete from cache where version = ? returning blob, length').all(version)
    for (const row of rows) {
      this.#blobs.remove(Number(row['blob']))
      this.#bytes -= Number(row['length'])
    }
  }

  /** Drops everything. Within a transaction. */
  clear(): void {
    this.#lent.clear()
    for (const row of this.#database.sql('delete from cache returning blob').all())
      this.#blobs.remove(Number(row['blob']))
    this.#bytes = 0
  }

  /** Drops the least recently used blocks above the budget, as far as they may go. Within a transaction. */
  evict(evictable: (version: string, block: number) => Evictable): void {
    this.#recordUse()
    const goal = this.#bytesMax * 0.9
    for (const which of ['freely', 'last'] as const) {
      if (this.#bytes <= goal) break
      const rows = this.#database.sql('select version, block from cache order by used limit 10000').all()
      for (const row of rows) {
        if (this.#bytes <= goal) break
        const [version, block] = [String(row['version']), Number(row['block'])]
        if (evictable(version, block) === which) this.#dropBlock(version, block)
      }
    }
    this.#evictAbove = Math.max(this.#bytesMax, this.#bytes * 1.05)
  }

  /** What was pinned may be free now. */
  reconsider(): void {
    this.#evictAbove = this.#bytesMax
  }

  /** True where eviction has something to do. */
  get isOverBudget(): boolean {
    return this.#bytes > this.#evictAbove
  }

  /** Room left under the budget. */
  get room(): number {
    return Math.max(0, this.#bytesMax - this.#bytes)
  }

  /** Counts anew after a transaction was undone. */
  recount(): void {
    this.#bytes = Number(
      this.#database.sql('select coalesce(sum(length), 0) as bytes from cache').get()?.['bytes'] ?? 0,
    )
  }

  #dropBlock(version: string, block: number): void {
    const row = this.#database
      .sql('delete from cache where version = ? and block = ? returning blob, length')
      .get(version, block)
    if (row === undefined) return
    this.#blobs.remove(Number(row['blob']))
    this.#bytes -= Number(row['length'])
  }

  /** Reads are noted in memory and written here: a write for each read would halve the speed of both. */
  #recordUse(): void {
    if (this.#used.size === 0) return
    this.#tick++
    for (const { version, block } of this.#used.values()) {
      this.#database
        .sql('update cache set used = ? where version = ? and block = ?')
        .run(this.#tick, version, block)
    }
    this.#used.clear()
  }
}
