import { AgentfsError, isAgentfsError, isUuid, type Name, nameFromBytes, parsePath } from '@agentfs/contracts'
import {
  type AgentRow,
  findNode,
  findPath,
  loadTree,
  NotLoaded,
  type NodeRow,
  storedThrough,
  type TenantTransaction,
  WorkingSet,
} from '@agentfs/storage'
import { pathOf } from '@agentfs/tree'
import type { NodeRef } from '../api/files-api.js'
import type { Caller } from '../caller.js'
import { reachesWholeHome } from '../sync/whole-home.js'
import { type FilesTools, requireNode, resolvedFrom } from './files-tools.js'
import type { StoredPosition } from './stat-of.js'

/** A node with the names that lead to it. */
export interface LocatedNode {
  readonly node: NodeRow
  readonly names: readonly Name[]
  readonly stored: StoredPosition
}

/**
 * A node by path or by id, where the caller may read it; else `not_found`. With `deletedToo` an id also finds a file that was
 * deleted, for who may read the whole home: it hangs on no path any more whose grants could be asked. `beside` is sent with the
 * look-up of a path, for who is allowed to read there.
 */
export async function locate(
  tools: Pick<FilesTools, 'database' | 'gate'>,
  caller: Caller,
  agent: AgentRow,
  ref: NodeRef,
  deletedToo = false,
  beside: (tx: TenantTransaction) => Promise<unknown> = async () => undefined,
): Promise<LocatedNode> {
  if ('path' in ref) {
    await tools.gate.require(caller, agent, ref.path, 'read')
    const names = parsePath(ref.path)
    const [found, stored] = await tools.database.readTenant(caller.principal.scope, (tx) =>
      Promise.all([
        findPath(tx, agent.agentId, agent.rootId, names),
        storedThrough(tx, agent.agentId),
        beside(tx),
      ]),
    )
    const node = requireNode(resolvedFrom(names, found))
    await tools.gate.requireShown(caller, agent, ref.path, node.kind)
    return { node, names, stored }
  }
  if (!isUuid(ref.node)) throw missing()
  const found = await tools.database.withTenant(caller.principal.scope, async (tx) => {
    const node = await findNode(tx, agent.agentId, ref.node)
    if (node === undefined) return undefined
    if (node.deletedAt !== null) {
      if (!deletedToo || !reachesWholeHome(caller)) return undefined
      return { node, names: lastNameOf(node), stored: await storedThrough(tx, agent.agentId) }
    }
    const set = new WorkingSet()
    const needs = { ids: new Set([node.nodeId]), names: [], children: new Set<string>() }
    await loadTree(tx, agent.agentId, set, needs, 0)
    const stored = await storedThrough(tx, agent.agentId)
    return { node, names: namesOf(set, node.nodeId, agent.rootId), stored }
  })
  if (found?.names === undefined) throw missing()
  const { node, names, stored } = found
  try {
    await tools.gate.require(caller, agent, names.join('/'), 'read', node.kind)
  } catch (error) {
    // The refusal of a path names it, and who asks by id need not know it.
    throw isAgentfsError(error, 'not_found') ? missing() : error
  }
  return { node, names, stored }
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
