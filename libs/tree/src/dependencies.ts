import type { Operation } from '@agentfs/contracts'

/** What an operation touches, as keys: two operations with a key in common depend on each other [SY-7]. */
export function operationKeys(operation: Operation): string[] {
  const entry = (parent: string, name: string): string => `e:${parent}/${name}`
  switch (operation.op) {
    case 'create':
    case 'symlink':
      return [`n:${operation.node}`, `n:${operation.parent}`, entry(operation.parent, operation.name)]
    case 'link':
    case 'unlink':
    case 'rmdir':
      return [`n:${operation.node}`, entry(operation.parent, operation.name)]
    case 'rename':
      return [
        `n:${operation.node}`,
        entry(operation.from.parent, operation.from.name),
        entry(operation.to.parent, operation.to.name),
      ]
    case 'replace':
      return [
        `n:${operation.source}`,
        `n:${operation.target}`,
        entry(operation.from.parent, operation.from.name),
        entry(operation.to.parent, operation.to.name),
      ]
    default:
      return [`n:${operation.node}`]
  }
}

/** Keys that a refused operation poisons: later operations on them are refused with it. A shared parent directory is not one. */
export function poisonedKeys(operation: Operation): string[] {
  const keys = operationKeys(operation)
  return operation.op === 'create' || operation.op === 'symlink'
    ? keys.filter((key) => key !== `n:${operation.parent}`)
    : keys
}
