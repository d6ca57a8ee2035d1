import type { Name, NodeImage, TimeSpec } from '@agentfs/contracts'
import { uuidv7 } from '@agentfs/contracts'
import type { ApplyContext } from '@agentfs/tree'
import { BlobStore } from './blob-store.js'
import { ContentCache } from './content-cache.js'
import { contentOf, type FileContent } from './file-content.js'
import { Handles } from './handles.js'
import { InodeTable, ROOT_INO } from './inode-table.js'
import { Journal } from './journal.js'
import { LayeredTree } from './layered-tree.js'
import { readMeta, writeMeta, type MetaAccess } from './meta.js'
import { replayEntry } from './replay.js'
import { Sealer } from './sealer.js'
import type { StoreDatabase } from './store-database.js'
import { StoreError } from './store-error.js'
import type { StoreFolder } from './store-folder.js'
import type { StoreEvent } from './store-types.js'
import { TreeChunks, type StoredNode } from './tree-chunks.js'
import { UnstoredBlocks } from './unstored-blocks.js'
import type { Flight } from './wire-operations.js'

/** What a store is told when it is opened. */
export interface StoreOptions {
  /** The folder; see `storePath`. */
  readonly path: string
  /** The agent's id. */
  readonly agent: string
  /** Its name, for the names of conflict copies that a replay shows before the service decides; the id where absent. */
  readonly agentName?: string
  /** The most bytes that may wait in the journal; 4 GiB where absent. */
  readonly journalBytesMax?: number
  /** The budget for cached contents; 1 GiB where absent. */
  readonly cacheBytesMax?: number
  /** The most bytes of the database, which holds all but large contents; the disk's where absent. */
  readonly databaseBytesMax?: number
  /** The clock; the system's where absent. */
  readonly now?: () => TimeSpec
}

/** Facts of a store that change with pushes and commits. */
export interface StoreFacts {
  readonly agent: string
  readonly store: string
  readonly root: string | null
  readonly epoch: number
  readonly seq: number
  readonly stored: number
  /** The number of the last push that was settled and its digest [SY-8]. */
  readonly pushNumber: number
  readonly pushDigest: string | null
  /** Never hand out journal numbers at or below. */
  readonly journalSeq: number
  readonly revoked: boolean
}

/** The parts of an open store. The operations on it stand in files of their own and take it as their first argument. */
export class StoreState {
  readonly options: StoreOptions
  readonly database: StoreDatabase
  readonly sealer: Sealer
  readonly meta: MetaAccess
  readonly blobs: BlobStore
  readonly journal: Journal
  readonly cache: ContentCache
  readonly handles: Handles
  readonly inodes: InodeTable
  tree = new LayeredTree()
  chunks: TreeChunks
  facts: StoreFacts
  /** Contents of files with local changes, by version; rebuilt from the journal where missing. */
  readonly contents = new Map<string, FileContent>()
  /** Files that this process created and nobody else touched: candidates for a save by rename [SY-11]. */
  readonly createdHere = new Set<string>()
  readonly unstoredBlocks = new UnstoredBlocks()
  /** Where files were before they were renamed away, and by which journal entry. */
  readonly movedAway = new Map<string, { parent: string; name: Name; seq: number }>()
  /** The push in flight, null for none; undefined until it is looked up. */
  flight: Flight | null | undefined = undefined
  /** Deleted nodes that are still named by the journal or open. */
  readonly graveyard = new Set<string>()
  /**
   * Entries up to this one are sent as they stand, neither written into nor folded: the service may have them already, of a
   * copy of this store or of a push whose answer was lost, and knows them again by what they make alone [SY-8].
   */
  closedThrough = 0
  /** How many fsyncs there were, by directory. */
  readonly generations = new Map<string, number>()
  /** The versions that rejected operations stand on; undefined until they are looked up. */
  rejectedBases: Set<string> | undefined = undefined
  /** Files whose content might be fetched ahead. */
  prefetchable: string[] | null = null
  /** True once the engine was told of waiting entries and has not yet looked. */
  announced = false
  /** Grows while content goes up: with each part that is sent for the first time, and each push that is settled. */
  progress = 0
  /** Parts of the push in flight that were sent at least once since the store was opened. */
  readonly partsBegun = new Set<string>()
  readonly listeners = new Set<(event: StoreEvent) => void>()

  constructor(folder: StoreFolder, options: StoreOptions) {
    this.options = options
    this.database = folder.database
    if (options.databaseBytesMax !== undefined) this.database.limitBytes(options.databaseBytesMax)
    this.sealer = new Sealer(folder.key)
    this.meta = { database: this.database, sealer: this.sealer }
    this.facts = this.#readFacts()
    this.blobs = new BlobStore(this.database, this.sealer, folder.blobs)
    this.journal = new Journal(this.database, this.sealer)
    this.cache = new ContentCache(this.database, this.blobs, options.cacheBytesMax ?? 1_073_741_824)
    this.handles = new Handles(this.blobs)
    this.inodes = new InodeTable(this.meta)
    this.chunks = new TreeChunks(this.database, this.sealer)
    this.reload()
  }

  /** Builds the memory from the disk: at opening, and after a transaction failed half way through changing both. */
  reload(): void {
    this.tree = new LayeredTree()
    this.chunks = new TreeChunks(this.database, this.sealer)
    this.facts = this.#readFacts()
    this.contents.clear()
    this.unstoredBlocks.clear()
    this.flight = undefined
    this.rejectedBases = undefined
    this.cache.recount()
    for (const { image, ino, names } of this.chunks.load()) {
      this.inodes.set(image.id, ino)
      this.tree.load(image, names)
    }
    for (const row of this.database.sql('select alias, node from aliases').all()) {
      this.tree.setAlias(String(row['alias']), String(row['node']))
    }
    if (this.facts.root !== null) this.inodes.set(this.facts.root, ROOT_INO)
    this.journal.load()
    this.journal.raiseSeq(this.facts.journalSeq)
    this.closedThrough = this.journal.tail
    this.replayJournal()
  }

  /** Lays the whole journal over the confirmed tree. */
  replayJournal(): void {
    for (const entry of this.journal.entries()) {
      replayEntry(this, entry)
      const known = this.generations.get(entry.group) ?? 0
      if (entry.generation > known) this.generations.set(entry.group, entry.generation)
    }
  }

  /** Writes changed facts; within a transaction. Memory follows only if the row was taken. */
  setFacts(changes: Partial<StoreFacts>): void {
    const facts = { ...this.facts, ...changes, journalSeq: this.journal.tail }
    writeMeta(this.meta, 'facts', facts)
    this.facts = facts
  }

  /** One transaction over rows and blobs. */
  transact<T>(work: () => T): T {
    try {
      const result = this.database.transaction(work)
      this.blobs.committed()
      return result
    } catch (error) {
      this.blobs.undone()
      throw error
    }
  }

  /** A transaction that changes memory on the way: where it fails, memory is read from the disk again. */
  transactReloading<T>(work: () => T): T {
    try {
      return this.transact(work)
    } catch (error) {
      this.reload()
      throw error
    }
  }

  /** What the application of an operation needs to know. */
  context(time: TimeSpec): ApplyContext {
    const agentName = this.options.agentName ?? this.options.agent
    return {
      seq: this.facts.seq,
      at: isoTime(time[0] * 1000 + Math.floor(time[1] / 1e6)),
      time,
      author: `agent/${agentName}`,
      agentName,
      newId: uuidv7,
    }
  }

  now(): TimeSpec {
    return (this.options.now ?? systemTime)()
  }

  emit(event: StoreEvent): void {
    for (const listener of this.listeners) listener(event)
  }

  /** The live node of an inode; `stale` where there is none. */
  nodeOf(ino: number): NodeImage {
    const id = this.inodes.node(ino)
    const node = id === undefined ? undefined : this.tree.live(id)
    if (node === undefined) throw new StoreError('stale', `inode ${ino} is not known any more`, { ino })
    return node
  }

  /** The inode number a node shows. */
  inoOf(node: string): number {
    return this.inodes.assign(node)
  }

  /** The content of a node's version; the caller may change it if the version is local. */
  contentOf(node: NodeImage): FileContent {
    if (node.version === null) return contentOf(this.journal, null, node.size)
    const known = this.contents.get(node.version)
    if (known !== undefined) return known
    const content = contentOf(this.journal, node.version, node.size)
    if (this.journal.byVersion(node.version) !== undefined) this.contents.set(node.version, content)
    return content
  }

  /** What is to be persisted of a confirmed node. */
  storedNode(id: string): StoredNode | undefined {
    const image = this.tree.confirmedNode(id)
    if (image === undefined || image.deleted === true) return undefined
    return { image, ino: this.inoOf(id), names: this.tree.confirmedNames(id) }
  }

  #readFacts(): StoreFacts {
    const facts = readMeta(this.meta, 'facts') as StoreFacts | undefined
    if (facts === undefined) {
      const fresh: StoreFacts = {
        agent: this.options.agent,
        store: uuidv7(),
        root: null,
        epoch: 0,
        seq: 0,
        stored: 0,
        pushNumber: 0,
        pushDigest: null,
        journalSeq: 0,
        revoked: false,
      }
      writeMeta(this.meta, 'facts', fresh)
      return fresh
    }
    if (facts.agent !== this.options.agent) {
      throw new StoreError('store_unreadable', `this client store belongs to agent ${facts.agent}`)
    }
    return facts
  }
}

let isoMs = -1
let isoText = ''

/** RFC 3339; one text serves all operations of a millisecond. */
function isoTime(ms: number): string {
  if (ms !== isoMs) {
    isoText = new Date(ms).toISOString()
    isoMs = ms
  }
  return isoText
}

let anchorMs = 0
let anchorTickMs = 0

/** The system's time; below its milliseconds the monotonic clock counts, so that times of one burst keep their order. */
function systemTime(): TimeSpec {
  const wallMs = Date.now()
  const tickMs = performance.now()
  let ms = anchorMs + (tickMs - anchorTickMs)
  if (Math.abs(ms - wallMs) > 20) {
    anchorMs = ms = wallMs
    anchorTickMs = tickMs
  }
  const seconds = Math.floor(ms / 1000)
  return [seconds, Math.min(999_999_999, Math.floor((ms - seconds * 1000) * 1e6))]
}
