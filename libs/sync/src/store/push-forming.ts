import { createHash } from 'node:crypto'
import { PUSH_BYTES_MAX, PUSH_OPERATIONS_MAX, type PushRequest } from '@agentfs/contracts'
import type { FrozenPart, FrozenPush, PushLimits } from './engine-store.js'
import { currentFlight, storeFlight } from './flight.js'
import { foldEntries } from './fold.js'
import { announce, pushContentMax } from './append-entry.js'
import { entryBytes, type JournalEntry } from './journal-entry.js'
import { announceSettled } from './push-settling.js'
import { encode } from './row-codec.js'
import type { StoreState } from './store-state.js'
import { inlineBytes, readSources, wireOperation, type Flight } from './wire-operations.js'

/**
 * The push in flight, the very bytes, or a new one of what waits first in the journal; null where nothing of that is to be
 * sent. If more waits behind it, the engine is told again.
 */
export function freezePush(state: StoreState, limits: PushLimits): FrozenPush | null {
  state.announced = false
  const flight = currentFlight(state)
  if (flight !== undefined) return frozen(state, flight)
  const operationsMax = Math.min(limits.operationsMax, PUSH_OPERATIONS_MAX)
  const waiting = firstWaiting(state, 2 * operationsMax)
  if (waiting.length === 0) return null
  const closed = waiting.filter(({ seq }) => seq <= state.closedThrough)
  const folded = [...closed, ...foldEntries(waiting.slice(closed.length))]
  const chosen = withinLimits(folded, {
    operations: operationsMax,
    body: Math.min(limits.bytesMax, PUSH_BYTES_MAX / 2),
    content: pushContentMax(state),
  })
  const number = state.facts.pushNumber + 1
  const pushed = state.transact(() => {
    storeFolded(state, waiting, folded)
    if (chosen.length === 0) return undefined
    const { bytes, parts } = pushBody(state, number, chosen)
    const digest = createHash('sha256').update(bytes).digest('hex')
    const made: Flight = { number, digest, blob: state.blobs.add(bytes), parts }
    storeFlight(state, made)
    const last = chosen.at(-1)?.seq ?? 0
    state.database.sql('update journal set push = ? where push = 0 and seq <= ?').run(number, last)
    return { made, bytes }
  })
  if (pushed !== undefined) state.flight = pushed.made
  showFolded(state, waiting, folded)
  for (const entry of chosen) state.journal.put({ ...entry, push: number })
  if (pushed !== undefined) return frozen(state, pushed.made, pushed.bytes)
  // All that was looked at vanished, and nobody will answer for it: who waits for that is told now. What stands behind it has
  // its turn, after whoever waits for this thread.
  announceSettled(state, [])
  if (state.journal.size > 0) announce(state)
  return null
}

/** The first entries that wait; the journal behind them may be long and is not looked at. */
function firstWaiting(state: StoreState, countMax: number): JournalEntry[] {
  const waiting: JournalEntry[] = []
  for (const entry of state.journal.entries()) {
    if (entry.push === 0 && waiting.push(entry) === countMax) break
  }
  return waiting
}

/** The plain bytes of a part of the push in flight. */
export function readPart(state: StoreState, part: string): Uint8Array<ArrayBuffer> {
  if (!state.partsBegun.has(part)) {
    state.partsBegun.add(part)
    state.progress++
  }
  const planned = currentFlight(state)?.parts.find((it) => it.part === part)
  if (planned === undefined) throw new Error(`part ${part} is not of the push in flight`)
  return readSources(state.blobs, planned.sources)
}

function frozen(state: StoreState, flight: Flight, bytes?: Uint8Array<ArrayBuffer>): FrozenPush {
  const parts = flight.parts.map(({ part, node, parent, length }): FrozenPart => {
    return { part, node, length, ...(parent === undefined ? {} : { parent }) }
  })
  return {
    number: flight.number,
    digest: flight.digest,
    bytes: bytes ?? new Uint8Array(state.blobs.read(flight.blob)),
    parts,
  }
}

function withinLimits(
  entries: readonly JournalEntry[],
  most: { readonly operations: number; readonly body: number; readonly content: number },
): JournalEntry[] {
  const chosen: JournalEntry[] = []
  const appended = new Set<string | null>()
  let body = 0
  let content = 0
  for (const entry of entries) {
    const { operation } = entry
    // Where its append comes to lie is known by the answer only, and what the append makes of the file is there only then.
    if (operation.op === 'write' && appended.has(operation.base)) break
    if (operation.op === 'replace' && appended.has(operation.sourceVersion)) break
    if (operation.op === 'append') appended.add(operation.version)
    body += inlineBytes(entry) + ENVELOPE_BYTES
    content += entryBytes(entry)
    const full = chosen.length >= most.operations || body > most.body || content > most.content
    if (chosen.length > 0 && full) break
    chosen.push(entry)
  }
  return chosen
}

/** What an operation's names and ids come to, at most but for long names. */
const ENVELOPE_BYTES = 512

function pushBody(
  state: StoreState,
  number: number,
  entries: readonly JournalEntry[],
): { bytes: Uint8Array<ArrayBuffer>; parts: Flight['parts'] } {
  const wire = entries.map((entry) => wireOperation(state.blobs, entry))
  const request: PushRequest = {
    store: state.facts.store,
    number,
    previous: state.facts.pushDigest,
    operations: wire.map(({ operation }) => operation),
  }
  const parts = wire
    .flatMap((it) => it.parts)
    .map((part) => {
      const parent = knownParent(state, part.node)
      return parent === undefined ? part : { ...part, parent }
    })
  return { bytes: encode(request), parts }
}

/** The nearest directory above that the service knows, for nodes it does not know yet. */
function knownParent(state: StoreState, node: string): string | undefined {
  if (state.tree.confirmedNode(node) !== undefined) return undefined
  for (
    let at = state.tree.entriesOf(node)[0]?.parent;
    at !== undefined;
    at = state.tree.entriesOf(at)[0]?.parent
  ) {
    if (state.tree.confirmedNode(at) !== undefined) return at
  }
  return state.facts.root ?? undefined
}

/** Writes what folding changed: rows of entries that went or took over pieces. Within the transaction. */
function storeFolded(
  state: StoreState,
  before: readonly JournalEntry[],
  after: readonly JournalEntry[],
): void {
  const kept = new Map(after.map((entry) => [entry.seq, entry]))
  const blobsKept = new Set<number>()
  for (const entry of before) {
    const now = kept.get(entry.seq)
    if (now === undefined) state.journal.storeEntryGone(entry.seq)
    else if (now !== entry) {
      state.journal.storeEntry(now)
      for (const piece of now.pieces) state.journal.storePiece(now.seq, piece)
    }
    if (now !== undefined) for (const piece of now.pieces) blobsKept.add(piece.blob)
  }
  for (const entry of before) {
    for (const piece of entry.pieces) {
      if (blobsKept.has(piece.blob)) continue
      state.journal.storePieceGone(piece)
      state.blobs.remove(piece.blob)
    }
  }
}

function showFolded(
  state: StoreState,
  before: readonly JournalEntry[],
  after: readonly JournalEntry[],
): void {
  const kept = new Map(after.map((entry) => [entry.seq, entry]))
  for (const entry of before) {
    const now = kept.get(entry.seq)
    if (now === undefined) state.journal.remove(entry.seq)
    else if (now !== entry) state.journal.put(now)
  }
}
