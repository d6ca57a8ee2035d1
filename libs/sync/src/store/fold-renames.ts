import type { OperationOf } from '@agentfs/contracts'
import type { JournalEntry } from './journal-entry.js'
import { entryKeys, movedNodes, sameGeneration, type FoldList } from './fold-list.js'

/** create a, rename a -> b becomes create b; rename a -> b, rename b -> c becomes rename a -> c. */
export function foldRenames(list: FoldList): void {
  for (let place = 0; place < list.length; place++) {
    const entry = list.at(place)
    if (entry?.operation.op === 'rename' && entry.operation.flags === 'none') {
      foldRename(list, place, entry, entry.operation)
    }
  }
}

function foldRename(list: FoldList, place: number, entry: JournalEntry, rename: OperationOf<'rename'>): void {
  const earlier = list.naming(rename.node).filter((step) => step < place)
  for (let step = earlier.pop(); step !== undefined; step = earlier.pop()) {
    const before = list.at(step)
    const operation = before?.operation
    if (before === undefined || operation === undefined || !sameGeneration(before, entry)) return
    if (operation.op === 'create' || operation.op === 'symlink') {
      if (operation.node === rename.node && rename.expected === null && isAt(operation, rename.from)) {
        if (!disturbed(list, step, place, [rename.from, rename.to])) {
          list.replace(step, { ...before, operation: { ...operation, ...rename.to } })
          list.remove(place)
        }
        return
      }
    } else if (operation.op === 'rename') {
      const joins =
        operation.node === rename.node && operation.expected === null && operation.flags === 'none'
      if (!joins || !isAt(operation.to, rename.from)) return
      if (disturbed(list, step, place, [operation.from, operation.to, rename.to])) return
      list.remove(step)
      if (isAt(operation.from, rename.to) && rename.expected === null) list.remove(place)
      else list.replace(place, { ...entry, operation: { ...rename, from: operation.from } })
      return
    } else if (!isIndifferent(operation.op)) return
  }
}

/** Contents and attributes go with the node, wherever it is. */
function isIndifferent(op: string): boolean {
  return op === 'write' || op === 'append' || op === 'setattr' || op === 'setxattr' || op === 'removexattr'
}

/** True where something between uses one of the names, or moves, makes or removes one of their directories. */
function disturbed(
  list: FoldList,
  first: number,
  last: number,
  names: readonly { parent: string; name: string }[],
): boolean {
  const keys = new Set(names.map(({ parent, name }) => `${parent}/${name}`))
  const parents = new Set(names.map(({ parent }) => parent))
  return list.someBetween(
    first,
    last,
    new Set(),
    (entry) =>
      entryKeys(entry).some((key) => keys.has(key)) || movedNodes(entry).some((node) => parents.has(node)),
  )
}

function isAt(at: { parent: string; name: string }, other: { parent: string; name: string }): boolean {
  return at.parent === other.parent && at.name === other.name
}
