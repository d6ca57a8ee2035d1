import { PART_BYTES_MAX, type TimeSpec } from '@agentfs/contracts'
import { localDelta, showInode } from './replay.js'
import type { JournalEntry, LocalOperation, Piece } from './journal-entry.js'
import { Journal } from './journal.js'
import type { StoreState } from './store-state.js'
import { StoreError } from './store-error.js'

const JOURNAL_BYTES_MAX = 4 * 1_073_741_824
/** How much of the bound one entry, or one push, may carry: each acknowledgement gives that much back. */
const PUSHES_PER_JOURNAL = 16

/** What a new entry needs besides its operation. */
export interface NewEntry {
  readonly operation: LocalOperation
  /** The directory whose fsyncs order it. */
  readonly parent: string
  readonly time: TimeSpec
  readonly ino?: number
  /** Bytes to keep with it, at their place in the file. */
  readonly bytes?: { readonly start: number; readonly bytes: Uint8Array }
}

/**
 * Journals operations and lays them over the tree: computed first, then written in one transaction, then shown. Whoever
 * sees it throw finds disk and memory as they were.
 */
export function appendEntries(state: StoreState, news: readonly NewEntry[]): JournalEntry[] {
  assertWritable(state)
  const entries: JournalEntry[] = []
  // Several operations of one call see each other's effects; a failure takes them back.
  const tail = (): void => {
    for (const entry of entries) state.journal.remove(entry.seq)
    state.tree.rollBack()
    state.contents.clear()
    state.replayJournal()
  }
  const [only] = news
  if (news.length === 1 && only !== undefined) {
    const delta = localDelta(state.tree, only.operation, state.context(only.time))
    // One row is a transaction by itself.
    const entry =
      only.bytes === undefined ? writeEntry(state, only) : state.transact(() => writeEntry(state, only))
    state.journal.put(entry)
    state.tree.applyLocal(delta)
    entries.push(entry)
  } else {
    try {
      state.transact(() => {
        for (const item of news) {
          const delta = localDelta(state.tree, item.operation, state.context(item.time))
          const entry = writeEntry(state, item)
          state.journal.put(entry)
          entries.push(entry)
          state.tree.applyLocal(delta)
        }
      })
    } catch (error) {
      tail()
      throw error
    }
  }
  // Last: which number a path shows cannot be taken back.
  for (const { ino, operation } of entries) if (ino !== undefined) showInode(state, operation, ino)
  announce(state)
  return entries
}

/** Tells the engine once that something waits. */
export function announce(state: StoreState): void {
  if (state.announced) return
  state.announced = true
  state.emit({ kind: 'journaled' })
}

/** Refuses what would overrun the journal's bound, or would come after the credential was refused. */
export function assertRoom(state: StoreState, bytes: number): void {
  assertWritable(state)
  const max = journalBytesMax(state)
  if (state.journal.bytes + bytes <= max) return
  throw new StoreError(
    'journal_full',
    'the journal is full; it empties when the service can be reached again',
    {
      bytes: state.journal.bytes,
      bytesMax: max,
    },
  )
}

/** The most bytes that may wait in the journal. */
export function journalBytesMax(state: StoreState): number {
  return state.options.journalBytesMax ?? JOURNAL_BYTES_MAX
}

/**
 * The most content that one push carries, but for a single operation that is larger: a file that is written faster than it
 * goes up is sent as several versions, and leaves the journal by and by.
 */
export function pushContentMax(state: StoreState): number {
  return Math.max(PART_BYTES_MAX, Math.floor(journalBytesMax(state) / PUSHES_PER_JOURNAL))
}

/** The directory, or the `.git` above it, within which fsyncs order operations [SY-7]. */
export function orderingGroup(state: StoreState, directory: string): string {
  let at: string | undefined = state.tree.resolve(directory)
  for (let depth = 0; at !== undefined && depth < 64; depth++) {
    const key: { parent: string; name: string } | undefined = state.tree.entriesOf(at)[0]
    if (key?.name === '.git') return at
    at = key?.parent
  }
  return directory
}

function assertWritable(state: StoreState): void {
  if (state.facts.revoked) throw new StoreError('revoked', 'the credential was refused by the service')
}

function writeEntry(state: StoreState, item: NewEntry): JournalEntry {
  const seq = state.journal.takeSeq()
  const group = orderingGroup(state, item.parent)
  const pieces: Piece[] = []
  if (item.bytes !== undefined) {
    const { start, bytes } = item.bytes
    pieces.push({ blob: state.blobs.add(bytes, { entry: seq, start }), start, length: bytes.length })
  }
  const entry: JournalEntry = {
    seq,
    push: 0,
    operation: item.operation,
    pieces,
    ...(item.ino === undefined ? {} : { ino: item.ino }),
    time: item.time,
    group,
    generation: state.generations.get(group) ?? 0,
  }
  state.journal.storeEntry(entry)
  return entry
}

/** What an entry without content counts against the bound. */
export const ENTRY_COST_BYTES = Journal.cost({
  seq: 0,
  push: 0,
  operation: { op: 'setattr', node: '' },
  pieces: [],
  time: [0, 0],
  group: '',
  generation: 0,
})
