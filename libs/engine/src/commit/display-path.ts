import { joinPath } from '@agentfs/contracts'
import { pathOf, type TreeReader } from '@agentfs/tree'

/** A node's path by its first name; undefined where it hangs on no root. '' is the root. */
export function displayPath(tree: TreeReader, node: string, rootId: string): string | undefined {
  const names = pathOf(tree, node, rootId)
  return names === undefined ? undefined : joinPath(names)
}
