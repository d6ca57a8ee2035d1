import type { OperationResult, PushAnswer } from '@agentfs/contracts'
import { BLOCK_BYTES } from './content-cache.js'
import { contentOf, readContent, type FileContent } from './file-content.js'
import { gapsWithin, NO_BLOB, segmentsWithin } from './segments.js'
import { isLocalContent, type JournalEntry, type LocalContent } from './journal-entry.js'
import { rejectedVersions } from './rejected-area.js'
import type { StoreState } from './store-state.js'

/**
 * Turns what a push acknowledged into cached contents of confirmed versions, mostly by renaming rows; what no version needs
 * goes. Answers the nodes whose content is another than shown: appends that met a newer head. Within a transaction, while the
 * entries are still in the journal's memory.
 */
export function keepContents(
  state: StoreState,
  done: readonly { entry: JournalEntry; result: OperationResult }[],
  answer: PushAnswer,
): Set<string> {
  const changed = new Set<string>()
  const needed = neededVersions(state, done, answer)
  const versions = new Map((answer.commit?.delta.versions ?? []).map((version) => [version.id, version]))
  const adopted = new Set<number>()
  for (const { entry } of done) {
    const { operation } = entry
    if (!isLocalContent(operation)) continue
    const version = versions.get(operation.version)
    if (version === undefined) continue
    const asShown = isAsShown(operation, version.size, version.parents)
    noteUnstored(state, version, entry, asShown, answer.commit?.seq ?? state.facts.seq)
    if (!asShown) {
      changed.add(version.node)
    } else if (needed.has(operation.version)) {
      keepVersion(
        state,
        operation.version,
        contentOf(state.journal, operation.version, operation.size),
        adopted,
      )
    }
  }
  for (const { entry } of done) {
    for (const piece of entry.pieces) {
      state.journal.storePieceGone(piece)
      if (!adopted.has(piece.blob)) state.blobs.remove(piece.blob)
    }
  }
  return changed
}

/** Heads of the commit, and what waiting entries are based on. */
function neededVersions(
  state: StoreState,
  done: readonly { entry: JournalEntry }[],
  answer: PushAnswer,
): Set<string | null> {
  const needed = new Set<string | null>()
  for (const { version, deleted } of answer.commit?.delta.nodes ?? [])
    if (deleted !== true) needed.add(version)
  const gone = new Set(done.map(({ entry }) => entry.seq))
  for (const { seq, operation } of state.journal.entries()) {
    if (gone.has(seq)) continue
    if (operation.op === 'write') needed.add(operation.base)
    else if (operation.op === 'append') needed.add(operation.assumed)
    else if (operation.op === 'replace') needed.add(operation.sourceVersion)
  }
  return needed
}

/** True where the service made of the operation what is shown here. */
export function isAsShown(operation: LocalContent, size: number, parents: readonly string[]): boolean {
  if (size !== operation.size) return false
  return operation.op !== 'append' || (parents[0] ?? null) === operation.assumed
}

function keepVersion(state: StoreState, version: string, content: FileContent, adopted: Set<number>): void {
  const rejected = rejectedVersions(state)
  for (const block of blocksToKeep(state, content)) {
    const start = block * BLOCK_BYTES
    const end = Math.min(content.size, start + BLOCK_BYTES)
    if (start >= end) continue
    const [segment] = segmentsWithin(content.segments, start, end)
    if (segment === undefined) {
      const { below } = content
      // What a rejected operation stands on stays where it is, and is copied.
      if (below !== null && passes(content, below.size, start, end) && !rejected.has(below.version)) {
        if (state.cache.pass(below.version, block, version)) continue
      }
    } else if (
      segment.start === start &&
      segment.end === end &&
      segment.blobOffset === 0 &&
      segment.blob !== NO_BLOB
    ) {
      if (!adopted.has(segment.blob) && state.blobs.length(segment.blob) === end - start) {
        if (!state.cache.has(version, block)) state.cache.adopt(version, block, segment.blob, end - start)
        adopted.add(segment.blob)
        continue
      }
    }
    if (
      gapsWithin(content.segments, start, Math.min(end, content.limit)).length > 0 &&
      content.below === null
    )
      continue
    const read = readContent(state, content, start, end - start)
    if ('bytes' in read) state.cache.add(version, block, read.bytes)
  }
}

/**
 * The blocks that hold anything written here, or kept of the version below. A hole is not kept: a file of 1 TiB with a few bytes at its end
 * has a million blocks of zeros, which the service answers for nothing.
 */
function blocksToKeep(state: StoreState, content: FileContent): Set<number> {
  const blocks = new Set(content.below === null ? [] : state.cache.blocksOf(content.below.version))
  for (const { start, end, blob } of content.segments) {
    if (blob !== NO_BLOB) for (const block of blocksWithin(start, end)) blocks.add(block)
  }
  return blocks
}

function* blocksWithin(start: number, end: number): Iterable<number> {
  for (let block = Math.floor(start / BLOCK_BYTES); block * BLOCK_BYTES < end; block++) yield block
}

/** True where a block is the same in the version below. */
function passes(content: FileContent, belowSize: number, start: number, end: number): boolean {
  return end <= content.limit && Math.min(belowSize, start + BLOCK_BYTES) === end
}

/** The newest version of each node that is acknowledged and not stored [SY-4]. */
function noteUnstored(
  state: StoreState,
  { node, id }: { readonly node: string; readonly id: string },
  { operation, pieces }: JournalEntry,
  asShown: boolean,
  seq: number,
): void {
  const isFirst = state.database.sql('select 1 from unstored where node = ?').get(node) === undefined
  state.database
    .sql(
      `insert into unstored (node, version, seq) values (?, ?, ?)
       on conflict (node) do update set version = excluded.version, seq = excluded.seq`,
    )
    .run(node, id, seq)
  const blocks = pieces.flatMap(({ start, length }) => [...blocksWithin(start, start + length)])
  state.unstoredBlocks.note(node, blocks, seq, isFirst)
  // A save by rename stands on what was written under another name, a conflict copy on the file that it is a copy of, and an
  // append may have come to lie elsewhere.
  const isForeign =
    operation.op === 'replace' ? !operation.inline : state.tree.resolve(operation.node) !== node
  if (isForeign || !asShown) state.unstoredBlocks.noteForeign(node)
}
