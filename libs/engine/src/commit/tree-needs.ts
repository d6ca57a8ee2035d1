import type { Operation } from '@agentfs/contracts'
import type { TreeNeeds } from '@agentfs/storage'
import type { EntryKey } from '@agentfs/tree'

/** What operations surely ask of the tree: loaded at once, so that the rest is rarely needed. */
export function needsOf(operations: readonly Operation[], rootId: string): TreeNeeds {
  const ids = new Set<string>([rootId])
  const names: EntryKey[] = []
  const children = new Set<string>()
  const at = (entry: EntryKey): void => {
    ids.add(entry.parent)
    names.push({ parent: entry.parent, name: entry.name })
  }
  for (const operation of operations) {
    switch (operation.op) {
      case 'create':
      case 'symlink':
      case 'link':
      case 'unlink':
      case 'rmdir':
        ids.add(operation.node)
        at(operation)
        if (operation.op === 'rmdir') children.add(operation.node)
        break
      case 'rename':
        ids.add(operation.node)
        if (operation.expected !== null) ids.add(operation.expected)
        at(operation.from)
        at(operation.to)
        break
      case 'replace':
        ids.add(operation.source).add(operation.target)
        at(operation.from)
        at(operation.to)
        break
      default:
        ids.add(operation.node)
    }
  }
  return { ids, names, children }
}
