import { namedNodes, type JournalEntry } from './journal-entry.js'
import { sameGeneration, type FoldList } from './fold-list.js'

/** What was created here and removed again, with nobody else involved, never happened. Children go before their directory. */
export function foldVanished(list: FoldList): void {
  for (let place = 0; place < list.length; place++) {
    const entry = list.at(place)
    const operation = entry?.operation
    if (entry !== undefined && (operation?.op === 'unlink' || operation?.op === 'rmdir')) {
      const steps = list.naming(operation.node)
      const made = list.at(steps[0] ?? place)
      if (made === undefined || steps.at(-1) !== place || !sameGeneration(made, entry)) continue
      if (made.operation.op !== 'create' && made.operation.op !== 'symlink') continue
      if (made.operation.node !== operation.node) continue
      if (!steps.every((step) => concernsOnly(list.at(step), operation.node))) continue
      for (const step of steps) list.remove(step)
    }
  }
}

/** True for steps that touch the node itself and its own names only. */
function concernsOnly(entry: JournalEntry | undefined, node: string): boolean {
  const operation = entry?.operation
  switch (operation?.op) {
    case 'create':
    case 'symlink':
    case 'unlink':
    case 'rmdir':
    case 'write':
    case 'append':
    case 'setattr':
    case 'setxattr':
    case 'removexattr':
      return operation.node === node
    case 'rename':
      return (
        operation.node === node &&
        operation.expected === null &&
        operation.flags === 'none' &&
        !namedNodes(operation).slice(1).includes(node)
      )
    default:
      return false
  }
}
