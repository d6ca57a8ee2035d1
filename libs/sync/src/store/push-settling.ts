import { AgentfsError, type OperationResult, type PushAnswer, type TreeDelta } from '@agentfs/contracts'
import { operationKeys, poisonedKeys } from '@agentfs/tree'
import type { SettleOutcome } from './engine-store.js'
import { isLocalContent, type JournalEntry } from './journal-entry.js'
import { keepContents } from './keep-contents.js'
import { evict } from './eviction.js'
import { currentFlight, dropFlight } from './flight.js'
import type { Flight } from './wire-operations.js'
import { rebaseAppended } from './rebase-appended.js'
import { rejectEntry, type Reason } from './rejected-area.js'
import { treeOperation } from './replay.js'
import type { StoreState } from './store-state.js'
import type { RejectedItem } from './store-types.js'
import { changeView, confirmView } from './view-change.js'

const NO_CHANGE: TreeDelta = { nodes: [], entries: [], aliases: [], versions: [] }

/** What is to become of each entry of a push. */
interface Verdict {
  readonly done: readonly { entry: JournalEntry; result: OperationResult }[]
  readonly rejected: readonly { entry: JournalEntry; reason: Reason }[]
  /** Waits again, under new part ids. */
  readonly again: readonly JournalEntry[]
}

/** Settles the push in flight by its answer. */
export function settlePush(state: StoreState, answer: PushAnswer): SettleOutcome {
  const flight = currentFlight(state)
  if (flight === undefined) throw new AgentfsError('invalid_request', { detail: 'no push is in flight' })
  if (flight.digest !== answer.digest)
    throw new AgentfsError('invalid_request', { detail: 'the answer is for another push' })
  const { commit } = answer
  const { epoch, seq } = state.facts
  if (commit !== null && (commit.epoch > epoch || (commit.epoch === epoch && commit.seq > seq + 1))) {
    return { kind: 'behind', through: commit.seq - 1 }
  }
  const entries = flightEntries(state, flight)
  if (entries.length !== answer.results.length) {
    throw new AgentfsError('invalid_request', { detail: 'the answer has another number of results' })
  }
  const verdict = judge(state, entries, answer.results)
  return settle(state, flight, verdict, answer)
}

/** Settles the push in flight as refused whole; its number is free again, since the service kept nothing. */
export function rejectPush(state: StoreState, reason: Reason): SettleOutcome {
  const flight = currentFlight(state)
  if (flight === undefined) throw new AgentfsError('invalid_request', { detail: 'no push is in flight' })
  const rejected = flightEntries(state, flight).map((entry) => ({ entry, reason }))
  return settle(state, flight, withDependents(state, { done: [], rejected, again: [] }), null)
}

/**
 * Rejects the entries whose bytes are lost, with what depends on them: after the end of power, which promised nobody that they
 * would be there [DUR-3], or where the disk damaged them. A push that carried them, or whose own bytes are lost, is taken
 * apart: what is left of it waits again [DUR-2]. Null where nothing is lost.
 */
export function rejectTorn(state: StoreState): SettleOutcome | null {
  const { torn } = state.blobs
  const reason = { code: 'bytes_lost', message: 'its bytes on the disk of this machine are lost or damaged' }
  const rejected = [...state.journal.entries()]
    .filter(({ pieces }) => pieces.some(({ blob }) => torn.has(blob)))
    .map((entry) => ({ entry, reason }))
  const flight = currentFlight(state)
  if (rejected.length === 0 && (flight === undefined || !torn.has(flight.blob))) return null
  const again = flight === undefined ? [] : flightEntries(state, flight)
  return settle(state, flight, withDependents(state, { done: [], rejected, again }), null)
}

function flightEntries(state: StoreState, flight: Flight): JournalEntry[] {
  const entries: JournalEntry[] = []
  for (const entry of state.journal.entries()) {
    // A push takes everything up to its last entry: what waits stands behind it.
    if (entry.push === 0) break
    if (entry.push === flight.number) entries.push(entry)
  }
  return entries
}

function judge(
  state: StoreState,
  entries: readonly JournalEntry[],
  results: readonly OperationResult[],
): Verdict {
  const done: { entry: JournalEntry; result: OperationResult }[] = []
  const rejected: { entry: JournalEntry; reason: Reason }[] = []
  const again: JournalEntry[] = []
  const againPlaces = new Set<number>()
  for (const [place, entry] of entries.entries()) {
    const result = results[place]
    if (result === undefined) continue
    if (
      result.status === 'parts_missing' ||
      (result.status === 'refused' && againPlaces.has(result.because ?? -1))
    ) {
      againPlaces.add(place)
      again.push(entry)
    } else if (result.status === 'refused') {
      rejected.push({ entry, reason: { code: result.code, message: result.message } })
    } else done.push({ entry, result })
  }
  return withDependents(state, { done, rejected, again })
}

/** Adds to the rejected what waits and depends on it: same node, entry or parent, or behind an fsync [SY-7]. */
function withDependents(state: StoreState, verdict: Verdict): Verdict {
  if (verdict.rejected.length === 0) return verdict
  const rejected = [...verdict.rejected]
  const poisoned = new Set<string>()
  const barriers = new Map<string, number>()
  const poison = (entry: JournalEntry): void => {
    for (const key of poisonedKeys(treeOperation(entry.operation))) poisoned.add(key)
    barriers.set(entry.group, Math.min(barriers.get(entry.group) ?? Infinity, entry.generation))
  }
  for (const { entry } of rejected) poison(entry)
  const settled = new Set([...verdict.done, ...verdict.rejected].map(({ entry }) => entry.seq))
  const first = rejected[0]?.entry.seq ?? 0
  for (const entry of state.journal.entries()) {
    if (settled.has(entry.seq) || entry.seq < first) continue
    const behind = entry.generation > (barriers.get(entry.group) ?? Infinity)
    if (!behind && !operationKeys(treeOperation(entry.operation)).some((key) => poisoned.has(key))) continue
    poison(entry)
    const reason = { code: 'dependency_refused', message: 'an operation that this one builds on was refused' }
    rejected.push({ entry, reason })
  }
  const gone = new Set(rejected.map(({ entry }) => entry.seq))
  return { done: verdict.done, rejected, again: verdict.again.filter(({ seq }) => !gone.has(seq)) }
}

function settle(
  state: StoreState,
  flight: Flight | undefined,
  verdict: Verdict,
  answer: PushAnswer | null,
): SettleOutcome {
  const commit = answer?.commit ?? null
  const { facts } = state
  const isNews = commit !== null && commit.epoch === facts.epoch && commit.seq === facts.seq + 1
  const delta = isNews ? ownTimes(state, withAliases(commit.delta, verdict)) : NO_CHANGE
  const outcome = state.transactReloading(() => {
    const rebased = answer === null ? undefined : rebaseAppended(state, verdict.done, answer)
    const changed = answer === null ? new Set<string>() : keepContents(state, verdict.done, answer)
    for (const { entry } of verdict.done) {
      state.journal.storeEntryGone(entry.seq)
      // Before the rejected are kept: what these stand on is from now on a version of the service.
      state.journal.remove(entry.seq)
    }
    const rejected = verdict.rejected.map(({ entry, reason }) =>
      rejectEntry(state, rebased?.get(entry.seq) ?? entry, reason),
    )
    for (const entry of verdict.again) {
      state.database.sql('update journal set push = 0 where seq = ?').run(entry.seq)
      state.journal.put({ ...entry, push: 0 })
    }
    redirectCopies(state, verdict)
    if (flight !== undefined) dropFlight(state, flight)
    const removed = [...verdict.done, ...verdict.rejected].map(({ entry }) => entry.seq)
    const asShown = changed.size === 0 && verdict.done.every(({ result }) => result.status === 'applied')
    const confirmed =
      asShown && isNews && answer?.results.length === verdict.done.length && confirmView(state, delta)
    const invalidations = confirmed ? [] : changeView(state, delta, removed, changed)
    state.chunks.write(
      delta.nodes.map(({ id }) => id),
      (id) => state.storedNode(id),
    )
    storeAliases(state, delta)
    state.setFacts({
      ...(answer === null || flight === undefined
        ? {}
        : { pushNumber: flight.number, pushDigest: flight.digest }),
      ...(isNews ? { seq: commit.seq } : {}),
    })
    return { kind: 'settled', invalidations, rejected } as const
  })
  state.flight = null
  state.partsBegun.clear()
  state.progress++
  evict(state)
  announceSettled(state, outcome.rejected)
  return { ...outcome, crowded: state.cache.room === 0 }
}

/** Writes new aliases' rows. */
export function storeAliases(state: StoreState, delta: TreeDelta): void {
  for (const { alias, node } of delta.aliases) {
    state.database
      .sql(
        'insert into aliases (alias, node) values (?, ?) on conflict (alias) do update set node = excluded.node',
      )
      .run(alias, node)
  }
}

/** Tells who waits how far the journal is done with. */
export function announceSettled(state: StoreState, rejected: readonly RejectedItem[]): void {
  let through = state.journal.tail
  for (const { seq } of state.journal.entries()) {
    through = seq - 1
    break
  }
  state.emit({ kind: 'settled', through, rejected })
}

/** Unified ids are aliases whether the commit says so or an earlier one did [SY-12]. */
function withAliases(delta: TreeDelta, verdict: Verdict): TreeDelta {
  const aliases = [...delta.aliases]
  for (const { entry, result } of verdict.done) {
    if (result.status !== 'unified' || entry.operation.op === 'replace') continue
    const alias = entry.operation.node
    if (alias !== result.node && !aliases.some((it) => it.alias === alias))
      aliases.push({ alias, node: result.node })
  }
  return { ...delta, aliases }
}

/**
 * What this client changed keeps the times it showed for it: ctime, and a directory's mtime, are of this store. So a
 * confirmation changes nothing that stat shows [SY-18].
 */
function ownTimes(state: StoreState, delta: TreeDelta): TreeDelta {
  const nodes = delta.nodes.map((image) => {
    const shown = state.tree.live(image.id)
    if (shown === undefined || shown.id !== image.id || image.deleted === true) return image
    return { ...image, ctime: shown.ctime, ...(image.kind === 'directory' ? { mtime: shown.mtime } : {}) }
  })
  return { ...delta, nodes }
}

/** What was written on top of a version that became a conflict copy belongs to the copy. */
function redirectCopies(state: StoreState, verdict: Verdict): void {
  const copies = new Map<string, string>()
  for (const { entry, result } of verdict.done) {
    if (result.status === 'conflict-copy' && isLocalContent(entry.operation)) {
      copies.set(entry.operation.version, result.node)
    }
  }
  if (copies.size === 0) return
  for (const entry of state.journal.entries()) {
    const { operation } = entry
    if (entry.push !== 0 || (operation.op !== 'write' && operation.op !== 'append')) continue
    const copy = copies.get((operation.op === 'write' ? operation.base : operation.assumed) ?? '')
    if (copy === undefined) continue
    copies.set(operation.version, copy)
    const changed = { ...entry, operation: { ...operation, node: copy } }
    state.journal.storeEntry(changed)
    state.journal.put(changed)
  }
}
