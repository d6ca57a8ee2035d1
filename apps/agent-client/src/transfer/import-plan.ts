import { type Name, type NodeImage, uuidv7 } from '@agentfs/contracts'
import type { AgentHandle, TreeSnapshot } from '@agentfs/sdk'
import { bytesOf } from './export-target.js'
import { inParallel } from './in-parallel.js'
import { sha256OfStream } from './hashing.js'
import {
  type ImportSource,
  shown,
  type SourceNode,
  type SourceVersion,
  type Trouble,
} from './import-source.js'
import { allPages } from '../commands/pages.js'
import { deletedToBring } from './import-deleted.js'
import { retrying } from './retrying.js'
import type { VersionContents } from './version-contents.js'

/** What happens where a name is taken by something else. */
export type OnConflict = 'refuse' | 'overwrite' | 'skip'

/** Where a node of the source goes. */
export interface PlannedNode {
  readonly source: SourceNode
  /** Full, from the root of the home, for messages. */
  readonly path: string
  readonly parent: string
  readonly name: Name
  readonly node: string
  /** What stands there and is kept or written over; undefined for what is new. */
  readonly standing: NodeImage | undefined
  /** Versions of the source from this one on are to be written. */
  readonly from: number
  /** Another node that has the name and goes first. */
  readonly replaces: NodeImage | undefined
}

/** A further name of a file; made after all nodes, for its folder may come later than the file. */
interface PlannedLink {
  readonly path: string
  readonly node: string
  readonly parent: string
  readonly name: Name
}

/** What an import is going to do. */
export interface ImportPlan {
  /** In the order of the source; folders that are missing on the way to the target come first. */
  readonly nodes: readonly PlannedNode[]
  readonly links: readonly PlannedLink[]
  /** Folders that are there only for deleted files to be deleted in; they go again. */
  readonly temporary: readonly PlannedNode[]
  readonly same: number
  readonly skipped: readonly string[]
  readonly conflicts: readonly Trouble[]
}

const COMPARED_AT_ONCE = 8

/** Compares a source with the tree it goes to. Nothing is written. */
export async function planImport(
  source: ImportSource,
  into: readonly Name[],
  onConflict: OnConflict,
  tree: TreeSnapshot,
  target: { readonly agent: AgentHandle; readonly contents: VersionContents; readonly signal: AbortSignal },
): Promise<ImportPlan> {
  const planner = new Planner(tree, onConflict)
  for (let depth = 1; depth <= into.length; depth++) {
    planner.place({ kind: 'directory', names: into.slice(0, depth), links: [], versions: [] })
  }
  for (const node of source.nodes) {
    if (node.names.length === 0) continue
    const at = (names: readonly Name[]): readonly Name[] => [...into, ...names]
    planner.place({ ...node, names: at(node.names), links: node.links.map(at) })
  }
  const broughtBack = await deletedToBring(source.deleted, into, target)
  for (const node of broughtBack.nodes) planner.placeDeleted(node)
  const links = planner.links()
  const kept: (PlannedNode | undefined)[] = [...planner.nodes]
  let same = broughtBack.same
  await inParallel(COMPARED_AT_ONCE, [...kept.keys()], async (index) => {
    const node = kept[index]
    if (node?.standing === undefined) return
    if (node.source.kind !== 'file') {
      same++
      return
    }
    const differs = await compare(node.source.versions, node.standing, target)
    if (differs === 'same') {
      same++
      kept[index] = undefined
    } else if (differs !== 'other') kept[index] = { ...node, from: differs.from }
    else {
      kept[index] = planner.settle(node.path, 'has other content') ? { ...node, from: 0 } : undefined
    }
  })
  const { skipped, conflicts, temporary } = planner
  const nodes = kept.filter((node) => node !== undefined)
  // A deleted file had its name before the file that has it now: folders, then what is deleted, then all else.
  const order = ({ source: { kind, deleted } }: PlannedNode): number =>
    kind === 'directory' ? 0 : deleted === true ? 1 : 2
  const ordered = nodes.toSorted((one, other) => order(one) - order(other))
  return { nodes: ordered, links, temporary, same, skipped, conflicts }
}

class Planner {
  readonly nodes: PlannedNode[] = []
  readonly skipped: string[] = []
  readonly conflicts: Trouble[] = []
  readonly temporary: PlannedNode[] = []
  readonly #tree: TreeSnapshot
  readonly #onConflict: OnConflict
  /** Directories that are made, by path; null for what is not. */
  readonly #directories = new Map<string, string | null>()
  readonly #taken = new Set<string>()

  constructor(tree: TreeSnapshot, onConflict: OnConflict) {
    this.#tree = tree
    this.#onConflict = onConflict
    this.#directories.set('', tree.root)
  }

  place(source: SourceNode): void {
    const key = source.names.join('/')
    const path = shown(source.names)
    const name = source.names.at(-1) ?? ''
    const parent = this.#directories.get(source.names.slice(0, -1).join('/')) ?? null
    if (parent === null) {
      if (source.kind === 'directory') this.#directories.set(key, null)
      this.skipped.push(path)
      return
    }
    if (source.kind === 'directory' && this.#directories.has(key)) return
    if (this.#taken.has(key)) {
      this.conflicts.push({ path, reason: 'stands in the source twice' })
      return
    }
    this.#taken.add(key)
    const standing = this.#at(parent, name)
    const fits = standing === undefined || unifies(source, standing)
    const replaces = fits ? undefined : standing
    if (!fits) {
      const isDirectory = standing.kind === 'directory' || source.kind === 'directory'
      const goesOn = !isDirectory && this.settle(path, `is a ${standing.kind} there`)
      if (isDirectory) this.#refuse(path, `is a ${standing.kind} there`)
      if (!goesOn) {
        if (source.kind === 'directory') this.#directories.set(key, null)
        return
      }
    }
    const node = fits && standing !== undefined ? standing.id : uuidv7()
    if (source.kind === 'directory') this.#directories.set(key, node)
    this.nodes.push({
      source,
      path,
      parent,
      name,
      node,
      standing: fits ? standing : undefined,
      from: 0,
      replaces,
    })
  }

  /** Places a file that is to be deleted again, with folders that are made for it where they are missing. */
  placeDeleted(source: SourceNode): void {
    const { names } = source
    const path = shown(names)
    let parent = this.#tree.root
    for (let depth = 1; depth < names.length; depth++) {
      const above = names.slice(0, depth)
      const known = this.#directories.get(above.join('/'))
      if (known === undefined) {
        const standing = this.#at(parent, above.at(-1) ?? '')
        if (standing !== undefined && standing.kind !== 'directory') return void this.skipped.push(path)
        this.place({ kind: 'directory', names: above, links: [], versions: [] })
        const made = this.nodes.at(-1)
        if (standing === undefined && made !== undefined) this.temporary.push(made)
      }
      const next = this.#directories.get(above.join('/')) ?? null
      if (next === null) return void this.skipped.push(path)
      parent = next
    }
    const name = names.at(-1) ?? ''
    // What lives there now cannot be told from what was deleted there.
    if (this.#at(parent, name) !== undefined) return void this.skipped.push(path)
    const place = { source, path, parent, name, node: uuidv7() }
    this.nodes.push({ ...place, standing: undefined, from: 0, replaces: undefined })
  }

  /** What becomes of something that is taken: true where it is written over. */
  settle(path: string, reason: string): boolean {
    if (this.#onConflict === 'overwrite') return true
    if (this.#onConflict === 'skip') this.skipped.push(path)
    else this.#refuse(path, reason)
    return false
  }

  #refuse(path: string, reason: string): void {
    this.conflicts.push({ path, reason })
  }

  #at(parent: string, name: Name): NodeImage | undefined {
    const id = this.#tree.entries.get(parent)?.get(name)
    return id === undefined ? undefined : this.#tree.nodes.get(id)
  }

  /** The further names of all files, once every folder has its place. */
  links(): PlannedLink[] {
    return this.nodes.flatMap(({ source, node }) =>
      source.links.flatMap((names) => this.#link(node, names) ?? []),
    )
  }

  #link(node: string, names: readonly Name[]): PlannedLink | undefined {
    const path = shown(names)
    const parent = this.#directories.get(names.slice(0, -1).join('/')) ?? null
    const name = names.at(-1) ?? ''
    if (parent === null) {
      this.#refuse(path, 'is a further name of a file, and its folder is not in the source')
      return undefined
    }
    const standing = this.#at(parent, name)
    if (standing?.id === node) return undefined
    if (standing === undefined && !this.#taken.has(names.join('/'))) return { path, node, parent, name }
    // A name that belongs to another file is never taken from it, not even with --overwrite.
    if (this.#onConflict === 'skip') this.skipped.push(path)
    else this.#refuse(path, 'is another file there; here it is a further name of one')
    return undefined
  }
}

function unifies(source: SourceNode, standing: NodeImage): boolean {
  if (source.kind !== standing.kind) return false
  return source.kind !== 'symlink' || source.target === standing.target
}

/** How a file's versions stand to those of the source: the same, the first of them, or others. */
async function compare(
  versions: readonly SourceVersion[],
  standing: NodeImage,
  target: { readonly agent: AgentHandle; readonly contents: VersionContents; readonly signal: AbortSignal },
): Promise<'same' | 'other' | { readonly from: number }> {
  if (standing.version === null) return versions.length === 0 ? 'same' : { from: 0 }
  const head = versions.at(-1)
  if (head === undefined) return 'other'
  const node = standing.id
  const sameBytes = async (
    version: string,
    size: number,
    other: SourceVersion | undefined,
  ): Promise<boolean> => {
    if (other === undefined || other.size !== size) return false
    const content = await target.contents.one({ node, version, size })
    if (content.kind === 'missing') return false
    return (
      (await sha256OfStream(bytesOf(content))) === (other.sha256 ?? (await sha256OfStream(other.bytes())))
    )
  }
  if (standing.number === 1 || versions.length === 1) {
    if (await sameBytes(standing.version, standing.size, head)) return 'same'
  }
  if (versions.length === 1 || standing.number > versions.length) return 'other'
  const listed = await allPages((page) =>
    retrying(target.signal, () => target.agent.files.versionsOfNode(node, page)),
  )
  if (listed.length > versions.length) return 'other'
  for (const [index, { version, size }] of listed.toReversed().entries()) {
    if (!(await sameBytes(version, size, versions[index]))) return 'other'
  }
  return listed.length === versions.length ? 'same' : { from: listed.length }
}
