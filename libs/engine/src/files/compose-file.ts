import {
  AgentfsError,
  type ComposeRequest,
  type Extent,
  PART_BYTES_MAX,
  type WriteAnswer,
} from '@agentfs/contracts'
import { type AgentRow, findUploadedParts } from '@agentfs/storage'
import type { WriteConditions } from '../api/files-api.js'
import type { Caller } from '../caller.js'
import type { FilesTools } from './files-tools.js'
import { commitContent, findTarget } from './put-file.js'

/**
 * Makes a file of parts that went up before. They must have gone up under the file's own id: what they are sealed with is
 * erased with the file [ENC-3]. Otherwise, and where some are not there, `parts_missing` names them and that id.
 */
export async function composeFile(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  { path, node, size, parts }: ComposeRequest,
  conditions: WriteConditions,
): Promise<{ created: boolean; answer: WriteAnswer }> {
  if (Math.ceil(size / PART_BYTES_MAX) !== parts.length) {
    throw new AgentfsError('invalid_request', {
      detail: `a file of ${size} bytes has ${Math.ceil(size / PART_BYTES_MAX)} parts of 1 MiB, not ${parts.length}`,
    })
  }
  const target = await findTarget(tools, caller, agent, path, conditions)
  const file = target.standing?.nodeId ?? node
  const named = parts.filter((part) => part !== null)
  const facts = await tools.database.readTenant(caller.principal.scope, (tx) =>
    findUploadedParts(tx, agent.agentId, named),
  )
  if (facts.some(({ erased, named: hasBeen }) => erased && hasBeen)) {
    throw new AgentfsError('invalid_request', {
      detail: 'some of these parts were erased with the file that they were of; send them under other ids',
    })
  }
  const usable = facts.filter(({ nodeId, erased }) => nodeId === file && !erased)
  const own = new Map(usable.map((fact) => [fact.partId, fact]))
  const missing = named.filter((part) => !own.has(part))
  if (missing.length > 0) {
    throw new AgentfsError('parts_missing', {
      node: file,
      parts: missing,
      detail: 'not all parts of the file are there; send those named again, under the node named',
    })
  }
  const extents = parts.map((part, index): Extent => {
    const offset = index * PART_BYTES_MAX
    const length = Math.min(PART_BYTES_MAX, size - offset)
    if (part === null) return { offset, length, hole: true }
    if (own.get(part)?.size !== length) {
      throw new AgentfsError('invalid_request', {
        detail: `part ${part} has not the ${length} bytes of its place`,
      })
    }
    return { offset, length, part, partOffset: 0 }
  })
  return commitContent(tools, caller, target, file, size, extents)
}
