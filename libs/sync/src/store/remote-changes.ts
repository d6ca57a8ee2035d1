import { AgentfsError, type CommitFrame, type ContentItem, type TreeDelta } from '@agentfs/contracts'
import { BLOCK_BYTES } from './content-cache.js'
import type { UncachedFile } from './engine-store.js'
import { evict } from './eviction.js'
import { currentFlight } from './flight.js'
import { storeAliases } from './push-settling.js'
import { rejectedVersions } from './rejected-area.js'
import { isStoreError } from './store-error.js'
import type { StoreState } from './store-state.js'
import type { BlockAddress, Invalidation } from './store-types.js'
import { changeView } from './view-change.js'

/** Folds the next commit of the stream [SY-17]. */
export function applyCommit(
  state: StoreState,
  commit: CommitFrame,
  contents: readonly ContentItem[],
): readonly Invalidation[] {
  const { facts } = state
  if (commit.epoch !== facts.epoch) throw new AgentfsError('epoch_changed', { epoch: commit.epoch })
  if (commit.seq <= facts.seq) return []
  if (commit.seq > facts.seq + 1) {
    throw new AgentfsError('invalid_request', { detail: `commit ${commit.seq} does not follow ${facts.seq}` })
  }
  if (commit.store === facts.store && currentFlight(state)?.number === commit.pushNumber) {
    throw new AgentfsError('invalid_request', { detail: 'the commit is settled by the answer to its push' })
  }
  return state.transactReloading(() => {
    dropSuperseded(state, commit.delta)
    const invalidations = changeView(state, commit.delta, [])
    for (const item of contents) keepWhole(state, item)
    state.chunks.write(
      commit.delta.nodes.map(({ id }) => id),
      (id) => state.storedNode(id),
    )
    storeAliases(state, commit.delta)
    state.setFacts({ seq: commit.seq })
    noteChanged(state, commit.delta)
    return invalidations
  })
}

/** Moves the address over commits in which nothing is visible [SY-5]. */
export function advance(state: StoreState, epoch: number, seq: number): void {
  if (epoch !== state.facts.epoch) throw new AgentfsError('epoch_changed', { epoch })
  if (seq > state.facts.seq) state.transact(() => state.setFacts({ seq }))
}

/** Notes how far the service has stored; what is stored need not be kept for a lost epoch any more. */
export function setStored(state: StoreState, seq: number): void {
  if (seq <= state.facts.stored) return
  state.transact(() => {
    state.database.sql('delete from unstored where seq <= ?').run(seq)
    state.setFacts({ stored: seq })
  })
  state.unstoredBlocks.stored(seq)
  state.cache.reconsider()
  evict(state)
}

/** Keeps a block that the service delivered, and lets the reads that wait for it go on. */
export function provide(state: StoreState, address: BlockAddress, bytes: Uint8Array): void {
  if (bytes.length > BLOCK_BYTES) throw new RangeError(`a block has at most ${BLOCK_BYTES} bytes`)
  try {
    keep(state, () => state.cache.add(address.version, address.block, bytes))
  } catch (error) {
    if (!isStoreError(error, 'disk_full')) throw error
  }
  // Reading needs neither disk nor budget: who waits gets the bytes, and the next one asks the service again.
  if (!state.cache.has(address.version, address.block) && !state.facts.revoked) {
    state.cache.lend(address.version, address.block, bytes)
  }
  state.emit({ kind: 'provided', blocks: [address] })
}

/** Keeps whole small contents, and lets the reads that wait for them go on. */
export function provideContents(state: StoreState, items: readonly ContentItem[]): void {
  keep(state, () => {
    for (const item of items) keepWhole(state, item)
  })
  state.emit({
    kind: 'provided',
    blocks: items.map(({ node, version }) => ({ node, version, block: 0 })),
  })
}

/** Small files without cached content; each call looks at some and goes on where the last one stopped. */
export function uncached(
  state: StoreState,
  sizeMax: number,
  bytesMax: number,
  countMax: number,
): UncachedFile[] {
  if (state.prefetchable === null) {
    state.prefetchable = []
    for (const node of state.tree.nodes())
      if (node.kind === 'file' && node.size > 0) state.prefetchable.push(node.id)
  }
  const found: UncachedFile[] = []
  let bytes = 0
  // Each look is a query: bounded, so that a call never holds up the filesystem for long.
  for (let looked = 0; looked < 4 * countMax && found.length < countMax; looked++) {
    const id = state.prefetchable.pop()
    if (id === undefined) break
    const node = state.tree.confirmedNode(id)
    if (node === undefined || node.deleted === true || node.version === null) continue
    if (node.size === 0 || node.size > Math.min(sizeMax, BLOCK_BYTES) || state.cache.has(node.version, 0))
      continue
    if (bytes + node.size > Math.min(bytesMax, state.cache.room)) {
      state.prefetchable.push(id)
      break
    }
    bytes += node.size
    found.push({ node: id, version: node.version, size: node.size })
  }
  return found
}

/** Keeps what was fetched. A failure leaves the cache's count as the disk has it. */
function keep(state: StoreState, work: () => void): void {
  // What was on its way when the credential was refused must not fill the cache again [SY-1].
  if (state.facts.revoked) return
  try {
    state.transact(work)
  } catch (error) {
    state.cache.recount()
    throw error
  }
  evict(state)
}

function keepWhole(state: StoreState, { version, data }: ContentItem): void {
  for (let block = 0; block * BLOCK_BYTES < data.length; block++) {
    state.cache.add(version, block, data.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES))
  }
}

/** Contents of versions that the commit replaces go, unless something stands on them. */
function dropSuperseded(state: StoreState, delta: TreeDelta): void {
  const kept = new Set([...state.handles.pinnedVersions(), ...rejectedVersions(state)])
  for (const { id, version } of delta.nodes) {
    const before = state.tree.confirmedNode(id)?.version ?? null
    if (before === version) continue
    state.database.sql('delete from unstored where node = ?').run(id)
    const ino = state.inodes.of(id)
    const isOpen = ino !== undefined && state.handles.isOpen(ino)
    // A base is of a node that its entry names.
    if (before !== null && !isOpen && !kept.has(before) && !state.journal.mentions(id))
      state.cache.drop(before)
  }
}

function noteChanged(state: StoreState, delta: TreeDelta): void {
  for (const { id, kind, deleted } of delta.nodes) {
    // Somebody else's hand: its identity is not this client's to fold any more.
    state.createdHere.delete(id)
    if (kind === 'file' && deleted !== true) state.prefetchable?.push(id)
  }
}
