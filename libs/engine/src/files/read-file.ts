import { AgentfsError, PART_BYTES_MAX } from '@agentfs/contracts'
import {
  type AgentRow,
  findKeys,
  findPartsOfSmall,
  findVersionsWithKeys,
  type KeyRow,
  type NodeRow,
  openingKeysOf,
  type PartOfSmall,
  type TenantTransaction,
  type VersionRow,
} from '@agentfs/storage'
import type { ByteRangeRequest, ContentChoice, NodeRef, OpenedContent } from '../api/files-api.js'
import type { Caller } from '../caller.js'
import type { RowsAtHand } from '../reads/content-reader.js'
import type { ContentIds } from '../reads/known-places.js'
import type { OpenedVersion } from '../reads/version-opener.js'
import type { FilesTools } from './files-tools.js'
import { locate } from './locate.js'
import { findChosen } from './restore-file.js'
import { statOf } from './stat-of.js'

/** How a read is meant. */
export interface ReadOptions extends ContentChoice {
  readonly range?: ByteRangeRequest
  readonly metadataOnly?: boolean
}

/**
 * Opens a file's content for reading, whole where it is at most 1 MiB, else as it is consumed. The read is noted, by the
 * version and the bytes asked for [AUD-1].
 */
export async function readFile(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  ref: NodeRef,
  options: ReadOptions,
): Promise<OpenedContent> {
  const chosen = options.version !== undefined || options.at !== undefined
  const { scope } = caller.principal
  const forContent = !chosen && options.metadataOnly !== true
  const { node, names, epoch, stored, rows } = await locate(tools, caller, agent, ref, {
    deletedToo: chosen,
    forContent,
  })
  const path = names.join('/')
  if (node.kind === 'directory')
    throw new AgentfsError('is_directory', { path, detail: 'this is a directory' })
  if (node.kind === 'symlink') {
    throw new AgentfsError('invalid_request', { path, detail: 'this is a symbolic link; read what it names' })
  }
  const opening = await openChosen(tools, caller, agent, node, options)
  const version = opening?.version
  const size = version?.size ?? 0
  const range = rangeOf(size, options.range)
  const opened = {
    stat: statOf(node, names, epoch, stored),
    version: version?.versionId ?? null,
    number: version?.number ?? 0,
    size,
    epoch,
    seq: node.seq,
    range,
  }
  if (range === null || options.metadataOnly === true || version === undefined) {
    return { ...opened, body: new Uint8Array(0) }
  }
  const { from, to } = range
  await noteRead(tools, caller, agent, node, version.versionId, path, to - from)
  const ahead = rows?.versionId === version.versionId ? rows : undefined
  if (ahead === undefined && forContent && size <= PART_BYTES_MAX) {
    tools.places.setContent(scope, agent.agentId, ref, contentIdsOf(version))
  }
  // Who takes a large file part by part, as a mount does, keeps what it has and asks for none twice.
  const use = to - from === PART_BYTES_MAX && size > PART_BYTES_MAX ? 'once' : 'keep'
  const body =
    to - from <= PART_BYTES_MAX
      ? await tools.reader.read(scope, agent.agentId, version.layout, from, to, use, ahead ?? opening?.atHand)
      : tools.reader.stream(scope, agent.agentId, version.layout, from, to)
  return { ...opened, body }
}

/** What the next read of it will need, if nothing is written there meanwhile. */
function contentIdsOf({ versionId, layout }: OpenedVersion): ContentIds {
  const extents = layout.kind === 'inline' ? layout.extents : layout.pages
  return {
    versionId,
    partIds: [...new Set(extents.map(({ partId }) => partId))],
    keyIds: [...new Set(extents.map(({ keyId }) => keyId))],
  }
}

/** A version opened, with the rows that came with it of what its content is read by. */
interface ChosenVersion {
  readonly version: OpenedVersion
  readonly atHand?: RowsAtHand
}

/** The chosen version, opened; undefined for a file without content whose head was asked for. */
async function openChosen(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  node: NodeRow,
  options: ReadOptions,
): Promise<ChosenVersion | undefined> {
  const { scope } = caller.principal
  const ofHead = options.version === undefined && options.at === undefined
  if (ofHead && node.headVersion === null) return undefined
  // An opened manifest holds no bytes: those still need their keys' rows, which every read looks at.
  const known = ofHead ? tools.opener.remembered(scope, node.headVersion ?? '') : undefined
  if (known !== undefined && known.size > 0) return { version: known }
  const { agentId } = agent
  const found = await (ofHead
    ? tools.database.readTenant(scope, (tx) => findHead(tx, agentId, node.headVersion ?? ''))
    : tools.database.withTenant(scope, (tx) => findOther(tx, agentId, node, options)))
  const { row, keys: keyRows, parts } = found
  if (row === undefined) throw new AgentfsError('not_found', { detail: 'there is no such version' })
  const [keys] = await Promise.all([
    tools.vault.unwrap(scope, keyRows),
    options.metadataOnly === true ? undefined : tools.opener.prefetch(scope, [row], parts),
  ])
  const version = await tools.opener.open(scope, agentId, row, keys)
  return { version, atHand: { parts, keys: keyRows } }
}

interface FoundVersion {
  readonly row: VersionRow | undefined
  readonly keys: readonly KeyRow[]
  readonly parts: readonly PartOfSmall[]
}

/** In one round trip: a cold read waits for little else but the object store. */
async function findHead(tx: TenantTransaction, agentId: string, versionId: string): Promise<FoundVersion> {
  const [[row], parts] = await Promise.all([
    findVersionsWithKeys(tx, agentId, [versionId]),
    findPartsOfSmall(tx, agentId, [versionId]),
  ])
  return { row, keys: row === undefined ? [] : openingKeysOf([row]), parts }
}

async function findOther(
  tx: TenantTransaction,
  agentId: string,
  node: NodeRow,
  choice: ContentChoice,
): Promise<FoundVersion> {
  const row = await findChosen(tx, agentId, node, choice)
  if (row === undefined) return { row, keys: [], parts: [] }
  const [keys, parts] = await Promise.all([
    findKeys(tx, [row.keyId]),
    findPartsOfSmall(tx, agentId, [row.versionId]),
  ])
  return { row, keys, parts }
}

/** The bytes a range asks for of a content; null where it lies wholly beyond the end. */
function rangeOf(
  size: number,
  range: ByteRangeRequest | undefined,
): { readonly from: number; readonly to: number } | null {
  if (range === undefined) return { from: 0, to: size }
  if ('suffix' in range) {
    return range.suffix === 0 || size === 0 ? null : { from: Math.max(0, size - range.suffix), to: size }
  }
  const { from, to } = range
  if (from >= size || (to !== undefined && to < from)) return null
  return { from, to: Math.min(size, to === undefined ? size : to + 1) }
}

async function noteRead(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  node: NodeRow,
  version: string,
  path: string,
  bytes: number,
): Promise<void> {
  const change = { action: 'file.read', node: node.nodeId, path, version, bytes } as const
  await tools.administration.note(caller, { readsOf: agent.agentId }, [change], 'allowed', agent.agentId)
}
