import { uuidv7 } from '@agentfs/contracts'
import { appendEntries, assertRoom, ENTRY_COST_BYTES } from './append-entry.js'
import { layHoles } from './file-content.js'
import { fileOf, openEntry, takeContent } from './file-writes.js'
import type { Hole, LocalWrite } from './journal-entry.js'
import { parentOf } from './namespace.js'
import { laySegment, NO_BLOB } from './segments.js'
import type { StoreState } from './store-state.js'

/** Makes zeros of a range, for which nothing is kept; the size stays. A new version, whose pieces would lie over its holes. */
export function punchHole(state: StoreState, ino: number, offset: number, length: number): void {
  const orphan = state.handles.orphan(ino)
  if (orphan !== undefined) {
    const end = Math.min(offset + length, orphan.content.size)
    if (offset < end)
      laySegment(orphan.content.segments, { start: offset, end, blob: NO_BLOB, blobOffset: 0 })
    return
  }
  const node = fileOf(state, ino)
  const hole: Hole = { start: offset, end: Math.min(offset + length, node.size) }
  if (hole.start >= hole.end) return
  assertRoom(state, ENTRY_COST_BYTES)
  const time = state.now()
  const operation: LocalWrite = {
    op: 'write',
    node: node.id,
    base: node.version,
    baseSize: node.size,
    version: uuidv7(),
    limit: node.size,
    size: node.size,
    mtime: time,
    holes: [hole],
  }
  const content = takeContent(state, node, openEntry(state, node))
  appendEntries(state, [{ operation, parent: parentOf(state, node), time }])
  layHoles(content, operation.holes ?? [])
  state.contents.set(operation.version, content)
}
