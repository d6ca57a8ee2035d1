import { type DeletedFile, parsePath } from '@agentfs/contracts'
import type { AgentHandle, TreeSnapshot } from '@agentfs/sdk'
import { allPages } from '../commands/pages.js'
import { inParallel } from './in-parallel.js'
import { type ManifestNode, namesOfPlace, type NodeLine, placeOf } from './manifest.js'
import { retrying } from './retrying.js'
import { versionLinesOf } from './version-lines.js'

const LISTINGS_AT_ONCE = 8

/** What of the deleted files is wanted. */
interface DeletedChoice {
  readonly path: string
  readonly versions: 'all' | 'head'
}

/**
 * Deleted files at and below a path that can still be restored, with where they last were. The list is of the moment it is read,
 * just after the tree's: what the tree still has is not in it, and what was brought back in between is in neither.
 */
export async function deletedNodes(
  agent: AgentHandle,
  tree: TreeSnapshot,
  choice: DeletedChoice,
  signal: AbortSignal,
): Promise<ManifestNode[]> {
  const listed = await allPages((page) => retrying(signal, () => agent.files.deleted(page)))
  const below = parsePath(choice.path)
  const nodes: ManifestNode[] = []
  await inParallel(LISTINGS_AT_ONCE, listed, async (file) => {
    const names = namesOfPlace(file, 'the list of deleted files')
    const within = below.every((name, at) => names[at] === name) && names.length > below.length
    if (tree.nodes.has(file.node) || !within) return
    const image = { ...file, id: file.node }
    const versions = await versionLinesOf(agent, image, choice.versions, signal)
    if (versions.length > 0) nodes.push({ line: lineOf(file, names.slice(below.length)), versions })
  })
  // As they were listed, however long each took.
  return nodes.toSorted((one, other) => (one.line.node < other.line.node ? -1 : 1))
}

function lineOf(file: DeletedFile, names: Parameters<typeof placeOf>[0]): NodeLine {
  const { node, mode, uid, gid, mtime, createdAt, modifiedAt, modifiedBy, xattrs, deletedAt } = file
  return {
    type: 'file',
    ...placeOf(names),
    node,
    mode,
    uid,
    gid,
    mtime,
    createdAt,
    modifiedAt,
    modifiedBy,
    deletedAt,
    ...(xattrs === undefined || Object.keys(xattrs).length === 0 ? {} : { xattrs }),
  }
}
