import type { TenantScope } from '@agentfs/access'
import { AgentfsError, type RestoreRequest, uuidv7, type WriteAnswer } from '@agentfs/contracts'
import { contentMac as keyedHash, sameContentMac } from '@agentfs/crypto'
import {
  type AgentRow,
  findDeletedNodes,
  findKeys,
  findVersionOfNode,
  findVersions,
  type NodeRow,
  type TenantTransaction,
  type VersionRow,
} from '@agentfs/storage'
import type { ContentChoice } from '../api/files-api.js'
import type { Caller } from '../caller.js'
import type { WholeContent } from '../commit/planned-operation.js'
import { hashesBytes, sha256 } from '../content/content-hash.js'
import { layoutHash, paged, partIdsOf } from '../content/layout.js'
import { macKeyOf } from '../content/seal-part.js'
import type { UsableKey } from '../keys/key-vault.js'
import type { OpenedVersion } from '../reads/version-opener.js'
import type { FilesTools } from './files-tools.js'
import { requireFile, type ResolvedPath, resolvePath } from './resolved-path.js'
import { answerOf, unchangedAnswer } from './write-answer.js'

/** Makes an old version the head again, as a new version that shares its parts; brings a deleted file back. */
export async function restoreFile(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  request: RestoreRequest,
): Promise<WriteAnswer> {
  const { path } = request
  await tools.gate.require(caller, agent, path, 'write')
  const node = await standingOrDeleted(tools, caller, agent, path)
  const { scope } = caller.principal
  const [row, keyRows] = await tools.database.withTenant(scope, async (tx) => {
    const found = await findChosen(tx, agent.agentId, node, request)
    const keyIds = [found?.keyId, node.contentKeyId].filter((id) => id !== undefined && id !== null)
    return [found, await findKeys(tx, keyIds)] as const
  })
  if (row === undefined) throw new AgentfsError('not_found', { path, detail: 'there is no such version' })
  if (row.versionId === node.headVersion && node.deletedAt === null) {
    return unchangedAnswer(node, path, { epoch: agent.epoch, stored: false })
  }
  const keys = await tools.vault.unwrap(scope, keyRows)
  const opened = await tools.opener.open(scope, agent.agentId, row, keys)
  const key = keys.get(node.contentKeyId ?? '') ?? keys.get(row.keyId)
  if (key === undefined) throw new AgentfsError('not_found', { path, detail: 'the content was erased' })
  const { size, layout } = opened
  const content: WholeContent = {
    kind: 'whole',
    ...(await contentOf(tools, scope, agent.agentId, opened, key)),
    // Its parts may be those of a version that is just being forgotten: they are looked for again under the lock.
    uploaded: partIdsOf(layout),
    objectIds: [],
    key,
  }
  const write = { op: 'write', node: node.nodeId, base: null, version: uuidv7(), size, extents: [] } as const
  const outcome = await tools.committer.commit({
    caller,
    agent,
    operations: [
      { operation: { ...write, extents: [] }, unconditional: true, content, action: 'file.restore' },
    ],
    strict: true,
  })
  const { applied } = outcome
  if (applied === null) throw new Error('a restore changed nothing')
  return answerOf({ ...outcome, applied }, agent, node.nodeId, path)
}

/** What an old version held, for a new one; where it is the beginning of another one its extents are listed and hashed anew. */
async function contentOf(
  tools: FilesTools,
  scope: TenantScope,
  agentId: string,
  { size, layout, contentHash, contentMac }: OpenedVersion,
  key: UsableKey,
): Promise<Pick<WholeContent, 'version' | 'parts'>> {
  if (contentHash !== null) return { version: { size, layout, contentHash, contentMac }, parts: [] }
  const extents = layout.kind === 'inline' ? layout.extents : []
  const { layout: listed, pages, pageExtents } = paged(scope.tenantId, key, [{ extents }])
  const bytes = hashesBytes(size, listed)
    ? await tools.reader.read(scope, agentId, listed, 0, size)
    : undefined
  const hash = bytes === undefined ? layoutHash(listed) : sha256(bytes)
  const [only] = extents
  // The part's own hash tells the content only where the content is all of the part.
  const sole =
    bytes !== undefined &&
    only?.keyId === key.keyId &&
    sameContentMac(keyedHash(macKeyOf(key), bytes), only.mac)
  const version = { size, layout: listed, pageExtents, contentHash: hash, contentMac: sole ? only.mac : hash }
  return { version, parts: pages }
}

/** The version a caller chose of a node; the head where nothing is said. */
export async function findChosen(
  tx: TenantTransaction,
  agentId: string,
  node: NodeRow,
  choice: { readonly [key in keyof ContentChoice]?: ContentChoice[key] | undefined },
): Promise<VersionRow | undefined> {
  const { version, at } = choice
  if (at !== undefined) return findVersionOfNode(tx, agentId, node.nodeId, { at: new Date(at) })
  if (typeof version === 'number') return findVersionOfNode(tx, agentId, node.nodeId, { number: version })
  const id = version ?? node.headVersion
  if (id === null) return undefined
  const [row] = await findVersions(tx, agentId, [id])
  // A version of another file is not this file's, though it may exist.
  return row !== undefined && (row.nodeId === node.nodeId || id === node.headVersion) ? row : undefined
}

async function standingOrDeleted(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  path: string,
): Promise<NodeRow> {
  const resolved = await resolvePath(tools, caller, agent, path)
  return resolved.node === undefined
    ? ((await deletedFile(tools, caller, agent, resolved)) ?? requireFile(resolved))
    : requireFile(resolved)
}

/** The file that was deleted last at a path, whose directories may be deleted too, and others stand in their place. */
function deletedFile(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  { names, found }: ResolvedPath,
): Promise<NodeRow | undefined> {
  return tools.database.withTenant(caller.principal.scope, async (tx) => {
    let gone: string[] = []
    for (const [index, name] of names.entries()) {
      const standing = found[index]
      const parents = standing === undefined ? gone : [standing.nodeId, ...gone]
      if (parents.length === 0) return undefined
      const isLast = index === names.length - 1
      const nodes = await findDeletedNodes(tx, agent.agentId, parents, name, isLast ? 'file' : 'directory')
      if (isLast) return nodes[0]
      gone = nodes.map(({ nodeId }) => nodeId)
    }
    return undefined
  })
}
