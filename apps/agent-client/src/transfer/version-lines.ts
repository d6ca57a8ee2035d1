import type { NodeImage, Version } from '@agentfs/contracts'
import type { AgentHandle } from '@agentfs/sdk'
import type { VersionLine } from './manifest.js'
import { retrying } from './retrying.js'

/** The versions up to the head of the snapshot, oldest first: all, or the head alone. */
export async function versionLinesOf(
  agent: AgentHandle,
  image: Pick<NodeImage, 'id' | 'version' | 'number' | 'modifiedBy' | 'modifiedAt' | 'size'>,
  which: 'all' | 'head',
  signal: AbortSignal,
): Promise<VersionLine[]> {
  const head = image.version
  const { id: node, number, modifiedBy: author, modifiedAt: at, size } = image
  // The only version of a file is told by the file.
  if (head !== null && number === 1) {
    return [
      { type: 'version', node, version: head, number, parents: [], parentNumbers: [], author, at, size },
    ]
  }
  const found: VersionLine[] = []
  const numbers = new Map<string, number>()
  let cursor: string | undefined
  do {
    const page: { limit: number; cursor?: string } = {
      limit: which === 'head' ? 3 : 1_000,
      ...(cursor === undefined ? {} : { cursor }),
    }
    const listed = await retrying(signal, () => agent.files.versionsOfNode(node, page))
    // What came after the snapshot is newer than its head.
    for (const version of listed.data) {
      numbers.set(version.version, version.number)
      if (version.number <= number) found.push(versionLineOf(node, version))
    }
    cursor = which === 'head' && found.length > 0 ? undefined : (listed.nextCursor ?? undefined)
  } while (cursor !== undefined)
  const chosen = which === 'head' ? found.slice(0, 1) : found.toReversed()
  return chosen.map((line) => ({
    ...line,
    parentNumbers: line.parents.flatMap((parent) => numbers.get(parent) ?? []),
  }))
}

function versionLineOf(node: string, it: Version): VersionLine {
  const { version, number, parents, author, at, size } = it
  return { type: 'version', node, version, number, parents, parentNumbers: [], author, at, size }
}
