import { AgentfsError, PART_BYTES_MAX } from '@agentfs/contracts'
import { type AgentRow, findKeys, findPartsOfSmall, type NodeRow } from '@agentfs/storage'
import type { ByteRangeRequest, ContentChoice, NodeRef, OpenedContent } from '../api/files-api.js'
import type { Caller } from '../caller.js'
import type { ReadGuess, RowsAhead } from '../reads/read-ahead.js'
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
  const guessedPath = 'path' in ref && !chosen && options.metadataOnly !== true ? ref.path : null
  const guess = guessedPath === null ? undefined : tools.ahead.guess(scope, agent.agentId, guessedPath)
  let ahead: RowsAhead | undefined
  const { node, names, stored } = await locate(tools, caller, agent, ref, chosen, async (tx) => {
    if (guess !== undefined) ahead = await tools.ahead.look(tx, agent.agentId, guess)
  })
  const path = names.join('/')
  if (node.kind === 'directory')
    throw new AgentfsError('is_directory', { path, detail: 'this is a directory' })
  if (node.kind === 'symlink') {
    throw new AgentfsError('invalid_request', { path, detail: 'this is a symbolic link; read what it names' })
  }
  const version = await openChosen(tools, caller, agent, node, options)
  const size = version?.size ?? 0
  const range = rangeOf(size, options.range)
  const opened = {
    stat: statOf(node, names, agent.epoch, stored),
    version: version?.versionId ?? null,
    number: version?.number ?? 0,
    size,
    epoch: agent.epoch,
    seq: node.seq,
    range,
  }
  if (range === null || options.metadataOnly === true || version === undefined) {
    return { ...opened, body: new Uint8Array(0) }
  }
  const { from, to } = range
  await noteRead(tools, caller, agent, node, version.versionId, path, to - from)
  const rows = guess?.versionId === version.versionId ? ahead : undefined
  if (rows === undefined && guessedPath !== null && size <= PART_BYTES_MAX) {
    tools.ahead.remember(scope, agent.agentId, guessedPath, guessOf(version))
  }
  // Who takes a large file part by part, as a mount does, keeps what it has and asks for none twice.
  const use = to - from === PART_BYTES_MAX && size > PART_BYTES_MAX ? 'once' : 'keep'
  const body =
    to - from <= PART_BYTES_MAX
      ? await tools.reader.read(scope, agent.agentId, version.layout, from, to, use, rows)
      : tools.reader.stream(scope, agent.agentId, version.layout, from, to)
  return { ...opened, body }
}

/** What the next read of the path will need, if nothing is written there meanwhile. */
function guessOf({ versionId, layout }: OpenedVersion): ReadGuess {
  const extents = layout.kind === 'inline' ? layout.extents : layout.pages
  return {
    versionId,
    partIds: [...new Set(extents.map(({ partId }) => partId))],
    keyIds: [...new Set(extents.map(({ keyId }) => keyId))],
  }
}

/** The chosen version, opened; undefined for a file without content whose head was asked for. */
async function openChosen(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  node: NodeRow,
  options: ReadOptions,
): Promise<OpenedVersion | undefined> {
  const { scope } = caller.principal
  const ofHead = options.version === undefined && options.at === undefined
  if (ofHead && node.headVersion === null) return undefined
  // An opened manifest holds no bytes: those still need their keys' rows, which every read looks at.
  const known = ofHead ? tools.opener.remembered(scope, node.headVersion ?? '') : undefined
  if (known !== undefined && known.size > 0) return known
  const { row, keyRows, parts } = await tools.database.withTenant(scope, async (tx) => {
    const found = await findChosen(tx, agent.agentId, node, options)
    if (found === undefined) return { row: undefined, keyRows: [], parts: [] }
    const [rows, beside] = await Promise.all([
      findKeys(tx, [found.keyId]),
      findPartsOfSmall(tx, agent.agentId, [found.versionId]),
    ])
    return { row: found, keyRows: rows, parts: beside }
  })
  if (row === undefined) throw new AgentfsError('not_found', { detail: 'there is no such version' })
  const [keys] = await Promise.all([
    tools.vault.unwrap(scope, keyRows),
    options.metadataOnly === true ? undefined : tools.opener.prefetch(scope, [row], parts),
  ])
  return tools.opener.open(scope, agent.agentId, row, keys)
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
