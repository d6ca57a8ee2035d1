import { closeSync, fdatasyncSync, openSync } from 'node:fs'
import type { CommitFrame, ContentItem, Name, PushAnswer, SnapshotRow, TimeSpec } from '@agentfs/contracts'
import { AgentfsError } from '@agentfs/contracts'
import { pathOf } from '@agentfs/tree'
import { journalBytesMax, orderingGroup } from './append-entry.js'
import { attributesOf } from './attributes.js'
import type {
  EngineStore,
  FrozenPush,
  PushLimits,
  SettleOutcome,
  StreamAddress,
  UncachedFile,
} from './engine-store.js'
import { copyContent, readContent } from './file-content.js'
import { fileOf, truncateFile, writeFile } from './file-writes.js'
import type { FilesystemStore } from './filesystem-store.js'
import { ROOT_INO } from './inode-table.js'
import { namedNodes } from './journal-entry.js'
import {
  changeAttributes,
  createNode,
  createSymlink,
  directoryOf,
  linkNode,
  parentOf,
  removeDirectory,
  renameEntry,
  unlinkName,
} from './namespace.js'
import { evict } from './eviction.js'
import { currentFlight } from './flight.js'
import { punchHole } from './punch-hole.js'
import { freezePush, readPart } from './push-forming.js'
import { rejectPush, rejectTorn, settlePush } from './push-settling.js'
import {
  countRejected,
  discardRejected,
  journaledPaths,
  listRejected,
  readRejected,
} from './rejected-area.js'
import { advance, applyCommit, provide, provideContents, setStored, uncached } from './remote-changes.js'
import { forkStore, reinstateStore, revokeStore } from './store-identity.js'
import { finishSnapshot, SnapshotIntake } from './snapshot-intake.js'
import { translated } from './store-database.js'
import { openStoreFolder } from './store-folder.js'
import { seekContent } from './seek-content.js'
import { StoreState, type StoreOptions } from './store-state.js'
import type {
  AttributeChange,
  Attributes,
  BlockAddress,
  DirectoryEntry,
  FileState,
  Invalidation,
  NewNode,
  ReadOutcome,
  RejectedItem,
  RenameFlags,
  StoreEvent,
  StoreStatus,
} from './store-types.js'
import { treeHash } from './tree-hash.js'
import { listXattrs, readXattr, removeXattr, setXattr } from './xattrs.js'

/** The client store: journal, tree and cached contents of one agent on this machine. Synchronous; owned by one thread. */
export class LocalStore implements FilesystemStore, EngineStore {
  readonly #state: StoreState
  #intake: SnapshotIntake | undefined

  private constructor(state: StoreState) {
    this.#state = state
  }

  /** Opens the client store of an agent, making it where it is missing. One process at a time: else `store_locked`. */
  static open(options: StoreOptions): LocalStore {
    const folder = openStoreFolder(options.path)
    try {
      const state = new StoreState(folder, options)
      rejectTorn(state)
      return new LocalStore(state)
    } catch (error) {
      folder.database.close()
      throw error
    }
  }

  /** Closes the files. What was journaled is on disk already. */
  close(): void {
    this.#state.database.close()
  }

  attributes(ino: number): Attributes {
    return attributesOf(this.#state, ino)
  }

  lookup(parentIno: number, name: Name): Attributes | undefined {
    const parent = directoryOf(this.#state, parentIno)
    const id = this.#state.tree.entry(parent.id, name)
    return id === undefined ? undefined : attributesOf(this.#state, this.#state.inoOf(id))
  }

  list(ino: number): readonly DirectoryEntry[] {
    const entries: DirectoryEntry[] = []
    for (const [name, id] of this.#state.tree.children(directoryOf(this.#state, ino).id)) {
      const node = this.#state.tree.node(id)
      if (node !== undefined) entries.push({ name, ino: this.#state.inoOf(id), kind: node.kind })
    }
    return entries
  }

  parentOf(ino: number): number {
    const [entry] = this.#state.tree.entriesOf(this.#state.nodeOf(ino).id)
    return entry === undefined ? ROOT_INO : this.#state.inoOf(entry.parent)
  }

  readlink(ino: number): Name {
    const node = this.#state.handles.orphan(ino)?.image ?? this.#state.nodeOf(ino)
    if (node.target === undefined)
      throw new AgentfsError('invalid_request', { detail: 'the inode is no symlink' })
    return node.target
  }

  getxattr(ino: number, name: string): Uint8Array | undefined {
    return readXattr(this.#state, ino, name)
  }

  listxattr(ino: number): readonly string[] {
    return listXattrs(this.#state, ino)
  }

  nodeId(ino: number): string {
    return (this.#state.handles.orphan(ino)?.image ?? this.#state.nodeOf(ino)).id
  }

  versionOf(ino: number): string | null {
    return (this.#state.handles.orphan(ino)?.image ?? this.#state.nodeOf(ino)).version
  }

  fileState(ino: number): FileState {
    if (this.#state.handles.orphan(ino) !== undefined) return 'journaled'
    const node = this.#state.nodeOf(ino)
    if (this.#state.journal.mentions(node.id)) return 'journaled'
    return node.seq > this.#state.facts.stored ? 'acknowledged' : 'stored'
  }

  pathOf(ino: number): readonly Name[] | undefined {
    const { tree, facts } = this.#state
    return facts.root === null ? undefined : pathOf(tree, this.#state.nodeOf(ino).id, facts.root)
  }

  resolvePath(path: readonly Name[]): number | undefined {
    let at = this.#state.facts.root
    for (const name of path) at = at === null ? null : (this.#state.tree.entry(at, name) ?? null)
    return at === null ? undefined : this.#state.inoOf(at)
  }

  usage(): { nodes: number; bytes: number } {
    let bytes = 0
    for (const node of this.#state.tree.nodes()) if (node.deleted !== true) bytes += node.size
    return { nodes: this.#state.tree.size, bytes }
  }

  open(ino: number): void {
    if (this.#state.handles.orphan(ino) === undefined) this.#state.nodeOf(ino)
    this.#state.handles.open(ino)
  }

  release(ino: number): readonly Invalidation[] {
    this.#state.handles.release(ino)
    return []
  }

  hold(ino: number): void {
    const node = fileOf(this.#state, ino)
    this.#state.handles.hold(ino, node, copyContent(this.#state.contentOf(node)))
  }

  unhold(ino: number): readonly Invalidation[] {
    return this.#state.handles.unhold(ino)
  }

  read(ino: number, offset: number, length: number): ReadOutcome {
    const { node, content } = this.#shownContent(ino)
    const read = readContent(this.#state, content, offset, length)
    if ('bytes' in read) return { kind: 'bytes', bytes: read.bytes }
    return { kind: 'missing', blocks: read.blocks.map((block) => ({ node, version: read.version, block })) }
  }

  want(blocks: readonly BlockAddress[]): void {
    this.#state.emit({ kind: 'wanted', blocks })
  }

  create(parentIno: number, name: Name, node: NewNode): Attributes {
    return createNode(this.#state, parentIno, name, node)
  }

  symlink(parentIno: number, name: Name, target: Name, owner: { uid: number; gid: number }): Attributes {
    return createSymlink(this.#state, parentIno, name, target, owner)
  }

  link(ino: number, parentIno: number, name: Name): Attributes {
    return linkNode(this.#state, ino, parentIno, name)
  }

  write(
    ino: number,
    offset: number,
    bytes: Uint8Array,
    options: { readonly append?: boolean } = {},
  ): { offset: number; size: number } {
    return writeFile(this.#state, ino, offset, bytes, options.append === true)
  }

  truncate(ino: number, size: number): Attributes {
    truncateFile(this.#state, ino, size)
    return attributesOf(this.#state, ino)
  }

  punchHole(ino: number, offset: number, length: number): void {
    punchHole(this.#state, ino, offset, length)
  }

  seek(ino: number, offset: number, what: 'data' | 'hole'): number | undefined {
    return seekContent(this.#shownContent(ino).content, offset, what)
  }

  setAttributes(ino: number, change: AttributeChange): Attributes {
    return changeAttributes(this.#state, ino, change)
  }

  rename(fromParentIno: number, fromName: Name, toParentIno: number, toName: Name, flags: RenameFlags): void {
    renameEntry(this.#state, fromParentIno, fromName, toParentIno, toName, flags)
  }

  unlink(parentIno: number, name: Name): void {
    unlinkName(this.#state, parentIno, name)
  }

  rmdir(parentIno: number, name: Name): void {
    removeDirectory(this.#state, parentIno, name)
  }

  setxattr(ino: number, name: string, value: Uint8Array, mode: 'any' | 'create' | 'replace' = 'any'): void {
    setXattr(this.#state, ino, name, value, mode)
  }

  removexattr(ino: number, name: string): boolean {
    return removeXattr(this.#state, ino, name)
  }

  fsync(ino: number): void {
    const { generations } = this.#state
    if (this.#state.handles.orphan(ino) === undefined) {
      const node = this.#state.nodeOf(ino)
      const directory = node.kind === 'directory' ? node.id : parentOf(this.#state, node)
      const group = orderingGroup(this.#state, directory)
      generations.set(group, (generations.get(group) ?? 0) + 1)
    }
    this.syncToDisk()
  }

  syncToDisk(): void {
    this.#state.blobs.sync()
    // The log is what a commit writes: once it is down, everything committed is. Its inode stays while the store is open.
    translated(() => {
      const fd = openSync(`${this.#state.database.path}-wal`, 'r')
      try {
        fdatasyncSync(fd)
      } finally {
        closeSync(fd)
      }
    })
  }

  journaledThrough(ino: number): number {
    if (this.#state.handles.orphan(ino) !== undefined) return 0
    const { id } = this.#state.nodeOf(ino)
    if (!this.#state.journal.mentions(id)) return 0
    let through = 0
    for (const { seq, operation } of this.#state.journal.entries()) {
      if (namedNodes(operation).includes(id)) through = seq
    }
    return through
  }

  rejectedItems(): readonly RejectedItem[] {
    return listRejected(this.#state)
  }

  readRejected(id: number, offset?: number, length?: number): Uint8Array | undefined {
    return readRejected(this.#state, id, offset, length)
  }

  discardRejected(id: number): void {
    discardRejected(this.#state, id)
  }

  status(): StoreStatus {
    const { facts, journal, tree, cache } = this.#state
    let oldestAtMs: number | null = null
    for (const { time } of journal.entries()) {
      oldestAtMs = time[0] * 1000 + Math.floor(time[1] / 1e6)
      break
    }
    return {
      agent: facts.agent,
      store: facts.store,
      epoch: facts.epoch,
      seq: facts.seq,
      stored: facts.stored,
      journal: { entries: journal.size, bytes: journal.bytes, oldestAtMs },
      pushInFlight: currentFlight(this.#state)?.number ?? null,
      rejected: countRejected(this.#state),
      conflicts: tree.conflictCopies,
      nodes: tree.size,
      cacheBytes: cache.bytes,
      revoked: facts.revoked,
    }
  }

  journalRoom(): { bytes: number; bytesMax: number; progress: number } {
    const bytesMax = journalBytesMax(this.#state)
    const { journal, progress } = this.#state
    return { bytes: bytesMax - journal.bytes, bytesMax, progress }
  }

  listen(listener: (event: StoreEvent) => void): () => void {
    this.#state.listeners.add(listener)
    return () => this.#state.listeners.delete(listener)
  }

  now(): TimeSpec {
    return this.#state.now()
  }

  address(): StreamAddress | null {
    const { root, epoch, seq } = this.#state.facts
    return root === null ? null : { epoch, seq }
  }

  beginSnapshot(epoch: number, seq0: number, root: string): void {
    this.#intake = new SnapshotIntake(epoch, seq0, root)
  }

  addSnapshotRows(rows: readonly SnapshotRow[]): void {
    this.#snapshot().addRows(rows)
  }

  addSnapshotCommits(commits: readonly CommitFrame[]): void {
    for (const commit of commits) this.#snapshot().addCommit(commit)
  }

  finishSnapshot(seq: number): readonly Invalidation[] {
    const intake = this.#snapshot()
    this.#intake = undefined
    return finishSnapshot(this.#state, intake, seq)
  }

  applyCommit(commit: CommitFrame, contents: readonly ContentItem[]): readonly Invalidation[] {
    return applyCommit(this.#state, commit, contents)
  }

  advance(epoch: number, seq: number): void {
    advance(this.#state, epoch, seq)
  }

  setStored(seq: number): void {
    setStored(this.#state, seq)
  }

  freezePush(limits: PushLimits): FrozenPush | null {
    return freezePush(this.#state, limits)
  }

  readPart(part: string): Uint8Array<ArrayBuffer> {
    return readPart(this.#state, part)
  }

  settlePush(answer: PushAnswer): SettleOutcome {
    return settlePush(this.#state, answer)
  }

  rejectPush(code: string, message: string): SettleOutcome {
    return rejectPush(this.#state, { code, message })
  }

  rejectTorn(): SettleOutcome | null {
    return rejectTorn(this.#state)
  }

  fork(): void {
    forkStore(this.#state)
  }

  provide(address: BlockAddress, bytes: Uint8Array): void {
    provide(this.#state, address, bytes)
  }

  failBlocks(blocks: readonly BlockAddress[], error: Error): void {
    this.#state.emit({ kind: 'unavailable', blocks, error })
  }

  provideContents(items: readonly ContentItem[]): void {
    provideContents(this.#state, items)
  }

  uncached(sizeMax: number, bytesMax: number, countMax: number): readonly UncachedFile[] {
    return uncached(this.#state, sizeMax, bytesMax, countMax)
  }

  revoke(): void {
    revokeStore(this.#state)
  }

  reinstate(): void {
    reinstateStore(this.#state)
  }

  treeHash(): string {
    const { tree } = this.#state
    return treeHash([...tree.confirmedNodes()].map((node) => ({ node, names: tree.confirmedNames(node.id) })))
  }

  journaledPaths(): readonly string[] {
    return journaledPaths(this.#state)
  }

  openInodes(): readonly number[] {
    return [...this.#state.handles.openInodes()]
  }

  maintain(): void {
    evict(this.#state)
    this.#state.database.checkpoint()
  }

  #snapshot(): SnapshotIntake {
    if (this.#intake === undefined)
      throw new AgentfsError('invalid_request', { detail: 'no snapshot was begun' })
    return this.#intake
  }

  #shownContent(ino: number): { node: string; content: Parameters<typeof readContent>[1] } {
    const orphan = this.#state.handles.orphan(ino)
    if (orphan !== undefined) return { node: orphan.image.id, content: orphan.content }
    const node = fileOf(this.#state, ino)
    const held = this.#state.handles.held(ino)
    const isHeld = held !== undefined && !this.#state.journal.mentions(node.id)
    return { node: node.id, content: isHeld ? held.content : this.#state.contentOf(node) }
  }
}
