import { AgentfsError, type Erasure, isAgentfsError, type Operation } from '@agentfs/contracts'
import { type AgentRow, type ErasedKeys, eraseNodes, listBelow, type NodeRow } from '@agentfs/storage'
import type { Caller } from '../caller.js'
import type { PlannedOperation } from '../commit/planned-operation.js'
import type { FilesTools } from './files-tools.js'
import { requireNode, resolvePath } from './resolved-path.js'
import { conflict } from './put-file.js'

/** Nodes that one request deletes at most. */
const NODES_MAX = 50_000
/** Times a directory is listed anew because something was made in it meanwhile. */
const ATTEMPTS_MAX = 3

/** How a deletion is meant. */
export interface DeleteOptions {
  readonly recursive?: boolean
  readonly erase?: boolean
  readonly ifMatch?: string
}

/**
 * Deletes a file, or a directory with all below it, in one commit. `erase` deletes the files' keys in the same transaction
 * [ENC-3], and answers when the object store has their tombstones; a key that another file shares stays for that file.
 */
export async function deletePath(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  path: string,
  options: DeleteOptions,
): Promise<Erasure | null> {
  await tools.gate.require(caller, agent, path, options.erase === true ? 'manage' : 'write')
  for (let attempt = 1; ; attempt++) {
    try {
      const keys = await deleteOnce(tools, caller, agent, path, options)
      return keys === null ? null : await tools.erasures.finish(caller.principal.scope, agent.agentId, keys)
    } catch (error) {
      const raced = options.recursive === true && isAgentfsError(error, 'not_empty') && attempt < ATTEMPTS_MAX
      if (!raced) throw error
    }
  }
}

async function deleteOnce(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  path: string,
  options: DeleteOptions,
): Promise<ErasedKeys | null> {
  const resolved = await resolvePath(tools, caller, agent, path)
  const node = requireNode(resolved)
  const name = resolved.names.at(-1)
  const parent = resolved.found.at(-2)?.nodeId
  if (name === undefined || parent === undefined) {
    throw new AgentfsError('invalid_request', { detail: 'the root of a home cannot be deleted' })
  }
  const { ifMatch } = options
  if (ifMatch !== undefined && ifMatch !== '*' && ifMatch !== node.headVersion)
    throw conflict(node.headVersion)
  const below =
    node.kind === 'directory' && options.recursive === true ? await subtree(tools, caller, agent, node) : []
  const files = [node, ...below].filter(({ kind }) => kind === 'file').map(({ nodeId }) => nodeId)
  const action = options.erase === true ? ({ action: 'file.erase' } as const) : {}
  const operations: PlannedOperation[] = [
    ...below.map((child) => ({
      operation: removal(child, child.parentId, child.names.at(-1) ?? ''),
      ...(child.kind === 'file' ? action : {}),
    })),
    {
      operation: removal(node, parent, name, ifMatch === '*' ? undefined : ifMatch),
      ...(node.kind === 'file' ? action : {}),
    },
  ]
  let keys: ErasedKeys | null = null
  const outcome = await tools.committer.commit({
    caller,
    agent,
    operations,
    strict: true,
    ...(options.erase === true
      ? {
          within: async (tx) => {
            const done = await eraseNodes(tx, agent.agentId, files, new Date(tools.clock.now()))
            keys = done
            return () => tools.vault.forget(tx.scope, done.erased)
          },
        }
      : {}),
  })
  if (outcome.applied === null) {
    throw new AgentfsError('not_found', { path, detail: 'there is nothing of that name' })
  }
  return keys
}

/** All nodes below a directory, what they hold before themselves. */
async function subtree(tools: FilesTools, caller: Caller, agent: AgentRow, directory: NodeRow) {
  const nodes = await tools.database.readTenant(caller.principal.scope, (tx) =>
    listBelow(tx, agent.agentId, directory.nodeId, 4096, null, NODES_MAX + 1),
  )
  if (nodes.length > NODES_MAX) {
    throw new AgentfsError('too_large', {
      detail: `a deletion takes at most ${NODES_MAX} files at once; delete the directories below one by one`,
    })
  }
  return nodes.reverse()
}

function removal(node: NodeRow, parent: string, name: string, base?: string): Operation {
  if (node.kind === 'directory') return { op: 'rmdir', node: node.nodeId, parent, name }
  return { op: 'unlink', node: node.nodeId, parent, name, ...(base === undefined ? {} : { base }) }
}
