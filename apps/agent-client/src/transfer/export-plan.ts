import {
  type Agent,
  AgentfsError,
  type Name,
  nameToBytes,
  type NodeImage,
  parsePath,
} from '@agentfs/contracts'
import { type AgentHandle, readTree, type TreeSnapshot } from '@agentfs/sdk'
import { extname } from 'node:path'
import { deletedNodes } from './export-deleted.js'
import {
  type Manifest,
  type ManifestNode,
  namesOfPlace,
  type NodeLine,
  placeOf,
  type VersionLine,
} from './manifest.js'
import { inParallel } from './in-parallel.js'
import { retrying } from './retrying.js'
import { versionLinesOf } from './version-lines.js'

/** What to export. */
export interface ExportChoice {
  readonly path: string
  readonly versions: 'all' | 'head'
  readonly form: 'markdown' | 'plain'
  /** Deleted files too, while they can be restored. */
  readonly deleted: boolean
}

const LISTINGS_AT_ONCE = 8
/** A path within an export that is longer gets a short name beside. */
const PATH_BYTES_MAX = 2_000

/** Reads the tree as of one seq and the versions of its files: all that an export holds but the bytes. */
export async function planExport(
  agent: AgentHandle,
  about: Agent,
  choice: ExportChoice,
  signal: AbortSignal,
): Promise<Manifest> {
  const tree = await retrying(signal, () => readTree(agent.sync, signal))
  const nodes = walk(tree, about.name, choice.path)
  await inParallel(LISTINGS_AT_ONCE, nodes, async (node) => {
    const image = tree.nodes.get(node.line.node)
    if (image?.kind !== 'file' || image.version === null) return
    node.versions.push(...(await versionLinesOf(agent, image, choice.versions, signal)))
  })
  if (choice.deleted) nodes.push(...(await deletedNodes(agent, tree, choice, signal)))
  return {
    header: {
      type: 'export',
      format: 'agentfs-export',
      formatVersion: choice.deleted ? 2 : 1,
      agent: { id: about.id, name: about.name },
      epoch: tree.epoch,
      seq: tree.seq,
      path: parsePath(choice.path).join('/'),
      versions: choice.versions,
      form: choice.form,
      ...(choice.deleted ? { deleted: true } : {}),
      exportedAt: new Date().toISOString(),
    },
    nodes,
  }
}

/** Where the content of a version lies within an export; those of a deleted file are all earlier ones. */
export function fileOf(node: NodeLine, version: VersionLine, head: boolean): string {
  const names = namesOfPlace(node, 'the plan')
  if (!head || node.deletedAt !== undefined)
    return `versions/${node.node}/${version.number}${ordinaryExtension(names)}`
  return isOrdinary(names) ? `files/${names.join('/')}` : `renamed/${node.node}${ordinaryExtension(names)}`
}

/** Whether a path can stand in any folder and archive as it is. */
export function isOrdinary(names: readonly Name[]): boolean {
  return names.every((name) => !name.startsWith('\0')) && Buffer.byteLength(names.join('/')) <= PATH_BYTES_MAX
}

function ordinaryExtension(names: readonly Name[]): string {
  const extension = extname(names.at(-1) ?? '')
  return /^\.[\w-]{1,16}$/.test(extension) ? extension : ''
}

/** All nodes at and below a path, parents first, names in order of their bytes; further names of one node become its links. */
function walk(tree: TreeSnapshot, agent: string, path: string): ManifestNode[] {
  const start = find(tree, agent, parsePath(path))
  const nodes: ManifestNode[] = []
  const known = new Map<string, ManifestNode>()
  const visit = (id: string, names: readonly Name[]): void => {
    const image = tree.nodes.get(id)
    if (image === undefined) return
    const standing = known.get(id)
    if (standing !== undefined) {
      const { links = [] } = standing.line
      standing.line.links = [...links, placeOf(names)]
      return
    }
    const node: ManifestNode = { line: lineOf(image, names), versions: [] }
    known.set(id, node)
    nodes.push(node)
    if (image.kind !== 'directory') return
    const entries = [...(tree.entries.get(id) ?? [])]
    entries.sort(([a], [b]) => Buffer.compare(nameToBytes(a), nameToBytes(b)))
    for (const [name, child] of entries) visit(child, [...names, name])
  }
  // A single file stands under its own name.
  visit(start.id, start.kind === 'directory' ? [] : parsePath(path).slice(-1))
  return nodes
}

function find(tree: TreeSnapshot, agent: string, names: readonly Name[]): NodeImage {
  let id: string | undefined = tree.root
  for (const name of names) id = id === undefined ? undefined : tree.entries.get(id)?.get(name)
  const found = id === undefined ? undefined : tree.nodes.get(id)
  if (found !== undefined) return found
  throw new AgentfsError('not_found', { detail: `there is no ${names.join('/')} in the home of ${agent}` })
}

function lineOf(image: NodeImage, names: readonly Name[]): NodeLine {
  const { id, kind, mode, uid, gid, mtime, createdAt, modifiedAt, modifiedBy, target, xattrs } = image
  return {
    type: kind,
    ...placeOf(names),
    node: id,
    mode,
    uid,
    gid,
    mtime,
    createdAt,
    modifiedAt,
    modifiedBy,
    ...(target === undefined ? {} : { target }),
    ...(xattrs === undefined || Object.keys(xattrs).length === 0 ? {} : { xattrs }),
  }
}
