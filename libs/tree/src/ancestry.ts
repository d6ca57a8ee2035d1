import type { Name, NodeImage } from '@agentfs/contracts'
import type { TreeReader } from './reader.js'

const DEPTH_MAX = 4096

/** The ids from a node up to the root, the node first. */
export function ancestors(tree: TreeReader, id: string): string[] {
  const path: string[] = []
  for (let at: string | undefined = id; at !== undefined && path.length < DEPTH_MAX;) {
    path.push(at)
    at = tree.entriesOf(at)[0]?.parent
  }
  return path
}

/** True where `id` is `top` or lies below it. */
export function isWithin(tree: TreeReader, id: string, top: string): boolean {
  return ancestors(tree, id).includes(top)
}

/** The names from the root to a node by its first entry; undefined where it hangs on no root. */
export function pathOf(tree: TreeReader, id: string, root: string): Name[] | undefined {
  const names: Name[] = []
  for (let at = id; at !== root;) {
    const entry = tree.entriesOf(at)[0]
    if (entry === undefined || names.length > DEPTH_MAX) return undefined
    names.unshift(entry.name)
    at = entry.parent
  }
  return names
}

/** The live node of an id, aliases followed; undefined where it is missing or deleted. */
export function liveNode(tree: TreeReader, id: string): NodeImage | undefined {
  const node = tree.node(tree.resolve(id))
  return node === undefined || node.deleted === true ? undefined : node
}
