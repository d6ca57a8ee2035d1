import { AgentfsError, isAgentfsError, isUuid, type Name, nameFromBytes, parsePath } from '@agentfs/contracts'
import {
  type AgentHead,
  type AgentRow,
  findAgentHeads,
  findKeys,
  findNode,
  findParts,
  findPath,
  loadTree,
  NotLoaded,
  type NodeRow,
  type TenantTransaction,
  WorkingSet,
} from '@agentfs/storage'
import { pathOf } from '@agentfs/tree'
import type { NodeRef } from '../api/files-api.js'
import type { Caller } from '../caller.js'
import type { RowsAtHand } from '../reads/content-reader.js'
import { type ContentIds, isSameHead } from '../reads/known-places.js'
import { reachesWholeHome } from '../sync/whole-home.js'
import type { FilesTools } from './files-tools.js'
import { requireNode, resolvedFrom } from './resolved-path.js'
import type { StoredPosition } from './stat-of.js'

/** What came with a look-up of what the content was read by last: of use where the node still has that version. */
interface RowsAhead extends RowsAtHand {
  readonly versionId: string
}

/** A node with the names that lead to it, as it was at one head of its agent. */
export interface LocatedNode {
  readonly node: NodeRow
  readonly names: readonly Name[]
  readonly epoch: number
  readonly stored: StoredPosition
  readonly rows?: RowsAhead
}

/** What a look-up is for. */
export interface LocateOptions {
  /** An id also finds a file that was deleted, for who may read the whole home: it hangs on no path any more whose grants count. */
  readonly deletedToo?: boolean
  /** The content of the head is read next: what it was read by last is asked for beside. */
  readonly forContent?: boolean
}

/**
 * A node by path or by id, where the caller may read it; else `not_found`. What is remembered of it is believed while the
 * agent's head is the one it was found at, which is asked each time, together with whoever else asks; keys are asked for
 * each time too, for one that was erased must open nothing [ENC-3].
 */
export async function locate(
  tools: LocateTools,
  caller: Caller,
  agent: AgentRow,
  ref: NodeRef,
  { deletedToo = false, forContent = false }: LocateOptions = {},
): Promise<LocatedNode> {
  if ('path' in ref) {
    await tools.gate.require(caller, agent, ref.path, 'read')
    const names = parsePath(ref.path)
    const find = (tx: TenantTransaction): Promise<FoundNode> => findByPath(tx, agent, names)
    const located = await locateWith(tools, caller, agent, ref, forContent, find)
    await tools.gate.requireShown(caller, agent, ref.path, located.node.kind)
    return located
  }
  if (!isUuid(ref.node)) throw missing()
  const find = (tx: TenantTransaction): Promise<FoundNode> =>
    findById(tx, agent, ref.node, deletedToo && reachesWholeHome(caller))
  const located = await locateWith(tools, caller, agent, ref, forContent, find)
  try {
    await tools.gate.require(caller, agent, located.names.join('/'), 'read', located.node.kind)
  } catch (error) {
    // The refusal of a path names it, and who asks by id need not know it.
    throw isAgentfsError(error, 'not_found') ? missing() : error
  }
  return located
}

type LocateTools = Pick<FilesTools, 'database' | 'gate' | 'places' | 'looks'>
type FoundNode = Pick<LocatedNode, 'node' | 'names'>

async function locateWith(
  tools: LocateTools,
  caller: Caller,
  agent: AgentRow,
  ref: NodeRef,
  forContent: boolean,
  find: (tx: TenantTransaction) => Promise<FoundNode>,
): Promise<LocatedNode> {
  const { agentId } = agent
  const { scope } = caller.principal
  const known = tools.places.get(scope, agentId, ref)
  const content = forContent ? known?.content : undefined
  if (known !== undefined) {
    const { head, keys } = await tools.looks.look(scope, agentId, content?.keyIds ?? [])
    if (head !== undefined && isSameHead(head, known.head)) {
      const rows = content === undefined ? undefined : { versionId: content.versionId, parts: [], keys }
      return locatedAt(known, head, rows)
    }
  }
  const look = (tx: TenantTransaction): Promise<[AgentHead[], FoundNode, RowsAhead | undefined]> =>
    // The head first: each statement may see more than the one before it, and a tree must not be older than its head.
    Promise.all([findAgentHeads(tx, [agentId]), find(tx), content && rowsAhead(tx, agentId, content)])
  const { database } = tools
  const [[current], found, rows] = await ('path' in ref
    ? database.readTenant(scope, look)
    : database.withTenant(scope, look))
  if (current === undefined) throw missing()
  // What was deleted is not a place of the tree: retention forgets it without a commit.
  if (found.node.deletedAt === null) tools.places.set(scope, agentId, ref, { head: current, ...found })
  return locatedAt(found, current, rows)
}

function locatedAt({ node, names }: FoundNode, { epoch, stored }: AgentHead, rows?: RowsAhead): LocatedNode {
  return { node, names, epoch, stored, ...(rows === undefined ? {} : { rows }) }
}

async function rowsAhead(
  tx: TenantTransaction,
  agentId: string,
  { versionId, partIds, keyIds }: ContentIds,
): Promise<RowsAhead> {
  const [parts, keys] = await Promise.all([findParts(tx, agentId, partIds), findKeys(tx, keyIds)])
  return { versionId, parts, keys }
}

async function findByPath(
  tx: TenantTransaction,
  { agentId, rootId }: AgentRow,
  names: readonly Name[],
): Promise<FoundNode> {
  return { node: requireNode(resolvedFrom(names, await findPath(tx, agentId, rootId, names))), names }
}

async function findById(
  tx: TenantTransaction,
  { agentId, rootId }: AgentRow,
  nodeId: string,
  deletedToo: boolean,
): Promise<FoundNode> {
  const node = await findNode(tx, agentId, nodeId)
  if (node === undefined) throw missing()
  if (node.deletedAt !== null) {
    if (!deletedToo) throw missing()
    return { node, names: lastNameOf(node) }
  }
  const set = new WorkingSet()
  await loadTree(tx, agentId, set, { ids: new Set([node.nodeId]), names: [], children: new Set<string>() }, 0)
  const names = namesOf(set, node.nodeId, rootId)
  if (names === undefined) throw missing()
  return { node, names }
}

function lastNameOf({ deletedName }: NodeRow): readonly Name[] {
  return deletedName === null ? [] : [nameFromBytes(deletedName)]
}

function missing(): AgentfsError {
  return new AgentfsError('not_found', { detail: 'there is no such node' })
}

function namesOf(set: WorkingSet, nodeId: string, rootId: string): readonly Name[] | undefined {
  try {
    return pathOf(set, nodeId, rootId)
  } catch (error) {
    // The chain ended before the root: the node hangs on nothing that lives.
    if (error instanceof NotLoaded) return undefined
    throw error
  }
}
