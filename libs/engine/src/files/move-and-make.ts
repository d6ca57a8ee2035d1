import {
  AgentfsError,
  type MkdirRequest,
  type MoveRequest,
  uuidv7,
  type WriteAnswer,
} from '@agentfs/contracts'
import { type AgentRow, storedThrough } from '@agentfs/storage'
import type { Caller } from '../caller.js'
import type { FilesTools } from './files-tools.js'
import { requireNode, resolvePath } from './resolved-path.js'
import { destinationOf } from './missing-directories.js'
import { stateAt } from './stat-of.js'
import { answerOf, unchangedAnswer } from './write-answer.js'

/** Makes a directory; with `parents` those on the way too, and one that is there already is fine. */
export async function makeDirectory(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  request: MkdirRequest,
): Promise<WriteAnswer> {
  const { path } = request
  const parents = request.parents === true
  await tools.gate.require(caller, agent, path, 'write')
  const resolved = await resolvePath(tools, caller, agent, path)
  const standing = resolved.node
  if (standing !== undefined) {
    if (standing.kind !== 'directory' || !parents) {
      throw new AgentfsError('already_exists', { path, detail: 'something of this name exists' })
    }
    const stored = await tools.database.readTenant(caller.principal.scope, (tx) =>
      storedThrough(tx, agent.agentId),
    )
    const { epoch } = agent
    return unchangedAnswer(standing, path, {
      epoch,
      stored: stateAt(standing.seq, epoch, stored) === 'stored',
    })
  }
  const { parent, name, creates } = destinationOf(resolved, parents)
  const node = uuidv7()
  const create = { op: 'create', node, kind: 'directory', parent, name, exclusive: !parents } as const
  const operations = [...creates, create].map((operation) => ({ operation }))
  const outcome = await tools.committer.commit({ caller, agent, operations, strict: true })
  const { applied } = outcome
  if (applied === null) throw new Error('making a directory changed nothing')
  return answerOf({ ...outcome, applied }, agent, node, path)
}

/** Moves or renames; the node's id and history stay. */
export async function movePath(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  request: MoveRequest,
): Promise<WriteAnswer> {
  const { from, to } = request
  await tools.gate.require(caller, agent, from, 'write')
  await tools.gate.require(caller, agent, to, 'write')
  const source = await resolvePath(tools, caller, agent, from)
  const node = requireNode(source)
  const fromName = source.names.at(-1)
  const fromParent = source.found.at(-2)?.nodeId
  if (fromName === undefined || fromParent === undefined) {
    throw new AgentfsError('invalid_request', { detail: 'the root of a home cannot be moved' })
  }
  const target = await resolvePath(tools, caller, agent, to)
  const { parent, name } = destinationOf(target, false)
  const standing = target.node
  if (standing !== undefined && standing.nodeId !== node.nodeId && request.overwrite !== true) {
    throw new AgentfsError('already_exists', { path: to, detail: 'the new name exists; ask to overwrite it' })
  }
  const operation = {
    op: 'rename',
    node: node.nodeId,
    from: { parent: fromParent, name: fromName },
    to: { parent, name },
    expected: standing?.nodeId ?? null,
    flags: request.overwrite === true ? 'none' : 'noreplace',
  } as const
  const outcome = await tools.committer.commit({
    caller,
    agent,
    operations: [{ operation }],
    strict: true,
    check: (tree) => {
      const found = tree.entry(tree.resolve(parent), name) ?? null
      if (found === operation.expected) return
      throw new AgentfsError('already_exists', {
        path: to,
        detail: 'the new name was taken meanwhile; try again',
      })
    },
  })
  const { applied } = outcome
  if (applied !== null) return answerOf({ ...outcome, applied }, agent, node.nodeId, to)
  return unchangedAnswer(node, to, { epoch: agent.epoch, stored: false })
}
