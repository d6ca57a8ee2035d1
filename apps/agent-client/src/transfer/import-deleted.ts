import type { DeletedFile, Name } from '@agentfs/contracts'
import type { AgentHandle } from '@agentfs/sdk'
import { allPages } from '../commands/pages.js'
import { bytesOf } from './export-target.js'
import { sha256OfStream } from './hashing.js'
import type { SourceNode } from './import-source.js'
import { namesOfPlace } from './manifest.js'
import { retrying } from './retrying.js'
import type { VersionContents } from './version-contents.js'

/** Which deleted files of a source are to be brought: not those that the target has as deleted ones already, by path and content. */
export async function deletedToBring(
  deleted: readonly SourceNode[],
  into: readonly Name[],
  target: { readonly agent: AgentHandle; readonly contents: VersionContents; readonly signal: AbortSignal },
): Promise<{ readonly nodes: SourceNode[]; readonly same: number }> {
  if (deleted.length === 0) return { nodes: [], same: 0 }
  const standing = new Map<string, DeletedFile[]>()
  for (const file of await allPages((page) =>
    retrying(target.signal, () => target.agent.files.deleted(page)),
  )) {
    const key = namesOfPlace(file, 'the list of deleted files').join('/')
    standing.set(key, [...(standing.get(key) ?? []), file])
  }
  const nodes: SourceNode[] = []
  for (const node of deleted) {
    const names = [...into, ...node.names]
    const there = await findSame(node, standing.get(names.join('/')) ?? [], target.contents)
    if (!there) nodes.push({ ...node, names, links: [] })
  }
  return { nodes, same: deleted.length - nodes.length }
}

async function findSame(
  { versions }: SourceNode,
  candidates: readonly DeletedFile[],
  contents: VersionContents,
): Promise<boolean> {
  const head = versions.at(-1)
  for (const { node, version, size } of candidates) {
    if (head === undefined || version === null || size !== head.size) continue
    const content = await contents.one({ node, version, size })
    if (content.kind === 'missing') continue
    const sha256 = await sha256OfStream(bytesOf(content))
    if (sha256 === (head.sha256 ?? (await sha256OfStream(head.bytes())))) return true
  }
  return false
}
