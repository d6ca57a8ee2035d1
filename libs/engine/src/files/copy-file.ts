import { AgentfsError, type CopyRequest, type WriteAnswer } from '@agentfs/contracts'
import type { AgentRow } from '@agentfs/storage'
import type { Caller } from '../caller.js'
import type { FilesTools } from './files-tools.js'
import { resolvePath } from './resolved-path.js'
import { conflict, putFile } from './put-file.js'
import { readFile } from './read-file.js'

/** Copies a file's head to another path; the copy is a node of its own and sealed anew under its own key. */
export async function copyFile(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  request: CopyRequest,
): Promise<WriteAnswer> {
  // First: whether something stands there already is for those to know who may write there [ISO-1].
  await tools.gate.require(caller, agent, request.to, 'write')
  const source = await readFile(tools, caller, agent, { path: request.from }, {})
  const target = await resolvePath(tools, caller, agent, request.to)
  const exists = new AgentfsError('already_exists', {
    path: request.to,
    detail: 'the new name exists; ask to overwrite it',
  })
  if (target.node !== undefined && request.overwrite !== true) throw exists
  if (target.node?.nodeId === source.stat.node) throw conflict(source.version)
  const conditions = request.overwrite === true ? {} : { createOnly: true }
  try {
    const { answer } = await putFile(tools, caller, agent, request.to, source.body, conditions, 'file.copy')
    return answer
  } catch (error) {
    if (error instanceof AgentfsError && error.code === 'version_conflict') throw exists
    throw error
  }
}
