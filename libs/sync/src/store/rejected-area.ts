import { joinPath, nameToBytes, type Name } from '@agentfs/contracts'
import { pathOf } from '@agentfs/tree'
import { contentOf, readContent, type FileContent } from './file-content.js'
import { isLocalContent, type JournalEntry, type LocalOperation } from './journal-entry.js'
import { decode, encode } from './row-codec.js'
import type { StoreState } from './store-state.js'
import type { RejectedItem } from './store-types.js'

/** Why an operation was not taken. */
export interface Reason {
  readonly code: string
  readonly message: string
}

interface RejectedBody extends Omit<RejectedItem, 'id'> {
  readonly operation: LocalOperation
  readonly content: FileContent | null
}

/**
 * Moves a journal entry to the rejected area, with its bytes and those it stood on [DUR-5]. Within a transaction; the entry
 * is still in the journal's memory, its row goes.
 */
export function rejectEntry(state: StoreState, entry: JournalEntry, reason: Reason): RejectedItem {
  const { operation } = entry
  const content = isLocalContent(operation)
    ? contentOf(state.journal, operation.version, operation.size)
    : null
  const node = operation.op === 'replace' ? operation.target : operation.node
  const body: RejectedBody = {
    op: operation.op,
    node,
    path: shownPath(state, operation),
    ...reason,
    atMs: Date.now(),
    size: content?.size ?? 0,
    operation,
    content,
  }
  const id = Number(
    state.database.sql('select coalesce(max(id), 0) + 1 as id from rejected').get()?.['id'] ?? 1,
  )
  state.database
    .sql('insert into rejected (id, sealed) values (?, ?)')
    .run(id, state.sealer.seal('rejected', id, encode(body)))
  state.rejectedBases = undefined
  for (const piece of entry.pieces) state.journal.storePiece(-id, piece)
  state.journal.storeEntryGone(entry.seq)
  return itemOf(id, body)
}

/** Keeps a whole content in the rejected area that no journal entry holds: acknowledged, and lost with an epoch [SY-4]. */
export function rejectContent(
  state: StoreState,
  lost: { node: string; path: string; version: string; content: FileContent },
  reason: Reason,
): RejectedItem {
  const { node, path, version, content } = lost
  const operation: LocalOperation = {
    op: 'write',
    node,
    base: null,
    baseSize: 0,
    version,
    limit: 0,
    size: content.size,
    mtime: state.now(),
  }
  const body: RejectedBody = {
    op: 'write',
    node,
    path,
    ...reason,
    atMs: Date.now(),
    size: content.size,
    operation,
    content,
  }
  const id = Number(
    state.database.sql('select coalesce(max(id), 0) + 1 as id from rejected').get()?.['id'] ?? 1,
  )
  state.database
    .sql('insert into rejected (id, sealed) values (?, ?)')
    .run(id, state.sealer.seal('rejected', id, encode(body)))
  state.rejectedBases = undefined
  return itemOf(id, body)
}

/** All rejected operations, newest first. */
export function listRejected(state: StoreState): RejectedItem[] {
  return [...bodies(state)].map(([id, body]) => itemOf(id, body)).toReversed()
}

/**
 * Bytes of the content a rejected operation would have made, all where no range is given; undefined where it had none, or a
 * block of its base is not here.
 */
export function readRejected(
  state: StoreState,
  id: number,
  offset = 0,
  length = Number.MAX_SAFE_INTEGER - offset,
): Uint8Array | undefined {
  const content = bodyOf(state, id)?.content
  if (content === undefined || content === null) return undefined
  const read = readContent(state, content, offset, length)
  return 'bytes' in read ? read.bytes : undefined
}

/** Forgets a rejected operation; bytes that another one stands on pass to that. */
export function discardRejected(state: StoreState, id: number): void {
  state.transact(() => {
    state.database.sql('delete from rejected where id = ?').run(id)
    state.rejectedBases = undefined
    const others = [...bodies(state)]
    for (const row of state.database.sql('select id, start, used from blobs where entry = ?').all(-id)) {
      const piece = { blob: Number(row['id']), start: Number(row['start']), length: Number(row['used']) }
      const heir = others.find(([, body]) => body.content?.segments.some(({ blob }) => blob === piece.blob))
      if (heir !== undefined) state.journal.storePiece(-heir[0], piece)
      else {
        state.journal.storePieceGone(piece)
        state.blobs.remove(piece.blob)
      }
    }
  })
}

/** The paths of what waits in the journal, each once, `/` for the root itself: none only where nothing waits [DUR-8]. */
export function journaledPaths(state: StoreState): string[] {
  const paths = new Set<string>()
  for (const { operation } of state.journal.entries()) paths.add(shownPath(state, operation) || '/')
  return [...paths]
}

/** How many there are. */
export function countRejected(state: StoreState): number {
  return Number(state.database.sql('select count(*) as count from rejected').get()?.['count'] ?? 0)
}

/** Versions whose cached blocks rejected operations stand on. */
export function rejectedVersions(state: StoreState): ReadonlySet<string> {
  if (state.rejectedBases === undefined) {
    state.rejectedBases = new Set()
    for (const [, { content }] of bodies(state)) {
      if (content !== null && content.below !== null) state.rejectedBases.add(content.below.version)
    }
  }
  return state.rejectedBases
}

function* bodies(state: StoreState): Iterable<[number, RejectedBody]> {
  for (const row of state.database.sql('select id from rejected order by id').all()) {
    const id = Number(row['id'])
    const body = bodyOf(state, id)
    if (body !== undefined) yield [id, body]
  }
}

function bodyOf(state: StoreState, id: number): RejectedBody | undefined {
  const row = state.database.sql('select sealed from rejected where id = ?').get(id)
  if (!(row?.['sealed'] instanceof Uint8Array)) return undefined
  return decode(state.sealer.open('rejected', id, row['sealed'])) as RejectedBody
}

function itemOf(id: number, body: RejectedBody): RejectedItem {
  const { op, node, path, code, message, atMs, size } = body
  return { id, op, node, path, code, message, atMs, size }
}

function shownPath(state: StoreState, operation: LocalOperation): string {
  const { tree, facts } = state
  if (facts.root === null) return ''
  if ('parent' in operation) return childPath(state, operation.parent, operation.name)
  if ('to' in operation) return childPath(state, operation.to.parent, operation.to.name)
  const path = pathOf(tree, tree.resolve(operation.node), facts.root)
  if (path !== undefined) return shown(path)
  const last = tree.node(tree.resolve(operation.node))?.lastEntry
  return last === undefined ? '' : childPath(state, last.parent, last.name)
}

function childPath(state: StoreState, parent: string, name: Name): string {
  const path =
    state.facts.root === null ? undefined : pathOf(state.tree, state.tree.resolve(parent), state.facts.root)
  return shown([...(path ?? []), name])
}

function shown(path: readonly Name[]): string {
  return joinPath(
    path.map((name) => (name.startsWith('\0') ? Buffer.from(nameToBytes(name)).toString('latin1') : name)),
  )
}
