import { AgentfsError, type Operation, uuidv7 } from '@agentfs/contracts'
import type { ResolvedPath } from './resolved-path.js'

/** Where the last name of a path goes, and the operations that make the directories missing on the way. */
export interface Destination {
  readonly parent: string
  readonly name: string
  readonly creates: Operation[]
}

/** The place of a path's last name; throws where a directory is missing and may not be made. */
export function destinationOf({ names, found }: ResolvedPath, parents: boolean): Destination {
  const name = names.at(-1)
  if (name === undefined) throw new AgentfsError('is_directory', { detail: 'this is the root of the home' })
  const existing = found.slice(0, names.length)
  const deepest = existing.at(-1)
  if (deepest === undefined) throw new AgentfsError('not_found', { detail: 'the root of the home is gone' })
  if (existing.some(({ kind }) => kind !== 'directory')) {
    throw new AgentfsError('not_a_directory', { detail: 'the path leads through a file' })
  }
  const missing = names.slice(existing.length - 1, -1)
  if (missing.length > 0 && !parents) {
    throw new AgentfsError('not_found', {
      detail: `the directory '${missing[0]}' does not exist; make it first, or ask for parents`,
    })
  }
  const creates: Operation[] = []
  let parent = deepest.nodeId
  for (const directory of missing) {
    const node = uuidv7()
    creates.push({ op: 'create', node, kind: 'directory', parent, name: directory })
    parent = node
  }
  return { parent, name, creates }
}
