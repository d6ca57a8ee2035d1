import type { Evictable } from './content-cache.js'
import { rejectedVersions } from './rejected-area.js'
import { isStoreError } from './store-error.js'
import type { StoreState } from './store-state.js'

/** Drops cached contents above the budget; at another time where the disk has no room even for that. */
export function evict(state: StoreState): void {
  if (!state.cache.isOverBudget) return
  try {
    const evictable = evictability(state)
    state.transact(() => state.cache.evict(evictable))
  } catch (error) {
    state.cache.recount()
    if (!isStoreError(error, 'disk_full')) throw error
  }
}

/**
 * What nothing but this machine has never goes: what is not stored [SY-4], and what rejected operations, deleted files that
 * are open, and held ones stand on. What open files and the journal stand on goes last: the service has it by its version.
 */
function evictability(state: StoreState): (version: string, block: number) => Evictable {
  const pinned = new Set([...state.handles.pinnedVersions(), ...rejectedVersions(state)])
  const last = new Set(standingOn(state))
  const unstored = new Map(
    state.database
      .sql('select node, version from unstored')
      .all()
      .map((row) => [String(row['version']), String(row['node'])]),
  )
  return (version, block) => {
    const node = unstored.get(version)
    if (pinned.has(version) || (node !== undefined && state.unstoredBlocks.has(node, block))) return 'never'
    return node !== undefined || last.has(version) ? 'last' : 'freely'
  }
}

/** The versions that open files show and that the journal's operations change. */
function* standingOn(state: StoreState): Iterable<string | null> {
  for (const { operation } of state.journal.entries()) {
    if (operation.op === 'write') yield operation.base
    if (operation.op === 'append') yield operation.assumed
    if (operation.op === 'replace') yield operation.sourceVersion
  }
  for (const ino of state.handles.openInodes()) {
    const id = state.inodes.node(ino)
    if (id !== undefined) yield state.tree.live(id)?.version ?? null
  }
}
