import { decide } from '@agentfs/access'
import type { Operation } from '@agentfs/contracts'
import { Refusal, type TreeReader } from '@agentfs/tree'
import type { Caller } from '../caller.js'
import { displayPath } from './display-path.js'

/** Checks every path an operation touches with the one function that decides; what may not be seen is `not_found`. */
export function authoriser(
  caller: Caller,
  agent: { readonly agentId: string; readonly rootId: string },
  nowMs: number,
): (tree: TreeReader, operation: Operation) => void {
  const { principal, address } = caller
  const check = (path: string): void => {
    const decision = decide({ principal, agentId: agent.agentId, path, action: 'write', address, nowMs })
    if (decision.allowed) return
    if (!decision.visible) throw new Refusal('not_found', 'there is nothing of that name')
    throw new Refusal('forbidden', `writing here is not allowed: ${reasonOf(decision)}`)
  }
  // Without prefixes every path is decided alike.
  if (principal.limits.prefixes === null) {
    let decided = false
    return () => {
      if (!decided) check('')
      decided = true
    }
  }
  return (tree, operation) => {
    for (const path of pathsOf(tree, operation, agent.rootId)) check(path)
  }
}

function reasonOf(decision: ReturnType<typeof decide>): string {
  return decision.reasons.find(({ passed }) => !passed)?.detail ?? 'no rule allows it'
}

function pathsOf(tree: TreeReader, operation: Operation, rootId: string): string[] {
  const at = (parent: string, name: string): string => {
    const above = placeOf(tree.resolve(parent))
    return above === undefined || above === '' ? name : `${above}/${name}`
  }
  /** A deleted node is judged by where it last was, whatever of that is deleted too: an edit may bring it back there. */
  const placeOf = (id: string): string | undefined => {
    const path = displayPath(tree, id, rootId)
    const last = tree.node(id)?.lastEntry
    return path ?? (last === undefined ? undefined : at(last.parent, last.name))
  }
  const of = (node: string): string[] => {
    const path = placeOf(tree.resolve(node))
    return path === undefined ? [] : [path]
  }
  switch (operation.op) {
    case 'create':
    case 'symlink':
      return [at(operation.parent, operation.name)]
    case 'link':
      return [...of(operation.node), at(operation.parent, operation.name)]
    case 'rename':
      return [...of(operation.node), at(operation.to.parent, operation.to.name)]
    case 'replace':
      return [...of(operation.source), ...of(operation.target), at(operation.to.parent, operation.to.name)]
    default:
      return of(operation.node)
  }
}
