import { rejectedVersions } from './rejected-area.js'
import { isStoreError } from './store-error.js'
import type { StoreState } from './store-state.js'

/** Drops cached contents above the budget; at another time where the disk has no room even for that. */
export function evict(state: StoreState): void {
  if (!state.cache.isOverBudget) return
  try {
    state.transact(() => state.cache.evict(pinnedVersions(state)))
  } catch (error) {
    state.cache.recount()
    if (!isStoreError(error, 'disk_full')) throw error
  }
}

/** Cached contents that open files, the journal or rejected operations stand on. */
function pinnedVersions(state: StoreState): Set<string> {
  const pinned = new Set<string>([...state.handles.pinnedVersions(), ...rejectedVersions(state)])
  for (const { operation } of state.journal.entries()) {
    if (operation.op === 'write' && operation.base !== null) pinned.add(operation.base)
    if (operation.op === 'append' && operation.assumed !== null) pinned.add(operation.assumed)
    if (operation.op === 'replace' && operation.sourceVersion !== null) pinned.add(operation.sourceVersion)
  }
  for (const ino of state.handles.openInodes()) {
    const id = state.inodes.node(ino)
    const version = id === undefined ? null : (state.tree.live(id)?.version ?? null)
    if (version !== null) pinned.add(version)
  }
  for (const row of state.database.sql('select version from unstored').all())
    pinned.add(String(row['version']))
  return pinned
}
