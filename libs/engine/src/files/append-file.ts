import { AgentfsError, type AppendAnswer, type Operation, uuidv7 } from '@agentfs/contracts'
import type { AgentRow } from '@agentfs/storage'
import type { ContentSource } from '../api/files-api.js'
import type { Caller } from '../caller.js'
import type { PlannedOperation } from '../commit/planned-operation.js'
import type { FilesTools } from './files-tools.js'
import { requireFile, resolvePath } from './resolved-path.js'
import { destinationOf } from './missing-directories.js'
import { inParts } from './in-parts.js'
import { firstPart, uploadParts, type UploadedParts } from './upload-parts.js'
import { answerOf } from './write-answer.js'

/**
 * Adds bytes at the end of a file, wherever that is by then, and makes the file where it is missing [CON-2]. Up to 1 MiB travels
 * in the commit; more goes up part by part first, and only its names are committed, in one piece.
 */
export async function appendFile(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  path: string,
  source: ContentSource,
  options: { readonly parents?: boolean },
): Promise<AppendAnswer> {
  await tools.gate.require(caller, agent, path, 'write')
  await tools.backlog.assertRoom(caller.principal.scope)
  const resolved = await resolvePath(tools, caller, agent, path)
  if (resolved.node !== undefined) requireFile(resolved)
  const node = resolved.node?.nodeId ?? uuidv7()
  const version = uuidv7()
  const { first, all } = await firstPart(inParts(source))
  const uploaded = all === null ? null : await uploadParts(tools, caller, agent, node, all)
  const size = uploaded?.size ?? first.length
  const append: Operation =
    uploaded === null
      ? { op: 'append', node, version, data: Uint8Array.from(first) }
      : { op: 'append', node, version, data: new Uint8Array(0), parts: uploaded.extents.map(partOf) }
  const operations: PlannedOperation[] = [{ operation: append }]
  if (resolved.node === undefined) {
    const { parent, name, creates } = destinationOf(resolved, options.parents === true)
    const create = { op: 'create', node, kind: 'file', parent, name } as const
    operations.unshift(...[...creates, create].map((operation) => ({ operation })))
  } else if (size === 0) {
    throw new AgentfsError('invalid_request', { detail: 'there is nothing to append' })
  }
  const outcome = await tools.committer.commit({ caller, agent, operations, strict: true })
  const { applied } = outcome
  if (applied === null) throw new Error('an append changed nothing')
  const made = applied.versions.find(({ versionId }) => versionId === version)
  const offset = (made?.size ?? size) - size
  return { ...answerOf({ ...outcome, applied }, agent, node, path), offset }
}

function partOf({ part, partOffset, length }: UploadedParts['extents'][number]) {
  return { part, partOffset, length }
}
