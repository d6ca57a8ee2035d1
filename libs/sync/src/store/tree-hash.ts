import { createHash } from 'node:crypto'
import type { NodeImage } from '@agentfs/contracts'
import type { EntryKey } from '@agentfs/tree'

/**
 * A hash over a tree, for proving that client and service have the same [SY-19]: over all live nodes by id, with names,
 * attributes and head versions. Left out is what each side keeps for itself: ctime, and a directory's mtime, which tell
 * when a change was seen.
 */
export function treeHash(nodes: Iterable<{ node: NodeImage; names: readonly EntryKey[] }>): string {
  const lines: string[] = []
  for (const { node, names } of nodes) {
    if (node.deleted === true) continue
    const xattrs = Object.entries(node.xattrs ?? {}).toSorted(([one], [other]) => (one < other ? -1 : 1))
    const keys = names.map(({ parent, name }) => [parent, name]).toSorted(byText)
    lines.push(
      JSON.stringify([
        node.id,
        node.kind,
        node.mode,
        node.uid,
        node.gid,
        node.kind === 'directory' ? null : node.mtime,
        node.size,
        node.version,
        node.links,
        node.target ?? null,
        xattrs,
        keys,
      ]),
    )
  }
  const hash = createHash('sha256')
  for (const line of lines.toSorted()) hash.update(line).update('\n')
  return hash.digest('hex')
}

function byText(one: readonly string[], other: readonly string[]): number {
  const [a, b] = [one.join('/'), other.join('/')]
  return a < b ? -1 : a > b ? 1 : 0
}
