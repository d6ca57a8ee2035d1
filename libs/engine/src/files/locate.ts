import { AgentfsError, isUuid, type Name, parsePath } from '@agentfs/contracts'
import {
  type AgentRow,
  findNode,
  findPath,
  loadTree,
  NotLoaded,
  type NodeRow,
  storedThrough,
  WorkingSet,
} from '@agentfs/storage'
import { pathOf } from '@agentfs/tree'
import type { NodeRef } from '../api/files-api.js'
import type { Caller } from '../caller.js'
import { type FilesTools, requireNode, resolvedFrom } from './files-tools.js'
import type { StoredPosition } from './stat-of.js'

/** A node with the names that lead to it. */
export interface LocatedNode {
  readonly node: NodeRow
  readonly names: readonly Name[]
  readonly stored: StoredPosition
}

/** A node by path or by id, where the caller may read it; else `not_found`. */
export async function locate(
  tools: Pick<FilesTools, 'database' | 'gate'>,
  caller: Caller,
  agent: AgentRow,
  ref: NodeRef,
): Promise<LocatedNode> {
  if ('path' in ref) {
    await tools.gate.require(caller, agent, ref.path, 'read')
    const names = parsePath(ref.path)
    const [found, stored] = await tools.database.readTenant(caller.principal.scope, (tx) =>
      Promise.all([findPath(tx, agent.agentId, agent.rootId, names), storedThrough(tx, agent.agentId)]),
    )
    return { node: requireNode(resolvedFrom(names, found)), names, stored }
  }
  const missing = new AgentfsError('not_found', { detail: 'there is no such node' })
  if (!isUuid(ref.node)) throw missing
  const found = await tools.database.withTenant(caller.principal.scope, async (tx) => {
    const node = await findNode(tx, agent.agentId, ref.node)
    if (node === undefined || node.deletedAt !== null) return undefined
    const set = new WorkingSet()
    const needs = { ids: new Set([node.nodeId]), names: [], children: new Set<string>() }
    await loadTree(tx, agent.agentId, set, needs, 0)
    const stored = await storedThrough(tx, agent.agentId)
    return { node, names: namesOf(set, node.nodeId, agent.rootId), stored }
  })
  if (found?.names === undefined) throw missing
  await tools.gate.require(caller, agent, found.names.join('/'), 'read')
  return { node: found.node, names: found.names, stored: found.stored }
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
