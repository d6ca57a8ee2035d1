import { AgentfsError, PART_BYTES_MAX } from '@agentfs/contracts'
import { type AgentRow, findKeys, type NodeRow, storedThrough, type VersionRow } from '@agentfs/storage'
import type { ByteRangeRequest, ContentChoice, NodeRef, OpenedContent } from '../api/files-api.js'
import type { Caller } from '../caller.js'
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
  const { node, names } = await locate(tools, caller, agent, ref)
  const path = names.join('/')
  if (node.kind === 'directory') throw new AgentfsError('is_directory', { path, detail: 'this is a directory' })
  if (node.kind === 'symlink') {
    throw new AgentfsError('invalid_request', { path, detail: 'this is a symbolic link; read what it names' })
  }
  const { scope } = caller.principal
  const [row, keyRows, stored] = await tools.database.withTenant(scope, async (tx) => {
    const position = storedThrough(tx, agent.agentId)
    const found = await findChosen(tx, agent.agentId, node, options)
    return [found, await findKeys(tx, found === undefined ? [] : [found.keyId]), await position] as const
  })
  const chosen = options.version !== undefined || options.at !== undefined
  if (row === undefined && (chosen || node.headVersion !== null)) {
    throw new AgentfsError('not_found', { path, detail: 'there is no such version' })
  }
  const stat = statOf(node, names, agent.epoch, stored)
  const size = row?.size ?? 0
  const range = rangeOf(size, options.range)
  const opened = {
    stat,
    version: row?.versionId ?? null,
    number: row?.number ?? 0,
    size,
    epoch: agent.epoch,
    seq: node.seq,
    range,
  }
  if (range === null || options.metadataOnly === true || row === undefined) {
    return { ...opened, body: new Uint8Array(0) }
  }
  const keys = await tools.vault.unwrap(scope, keyRows)
  const { extents } = await tools.opener.open(scope, agent.agentId, row, keys)
  await noteRead(tools, caller, agent, node, row, path, range.to - range.from)
  const { from, to } = range
  const body =
    to - from <= PART_BYTES_MAX
      ? await tools.reader.read(scope, agent.agentId, extents, from, to)
      : tools.reader.stream(scope, agent.agentId, extents, from, to)
  return { ...opened, body }
}

/** The bytes a range asks for of a content; null where it lies wholly beyond the end. */
export function rangeOf(
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
  row: VersionRow,
  path: string,
  bytes: number,
): Promise<void> {
  const change = { action: 'file.read', node: node.nodeId, path, version: row.versionId, bytes } as const
  await tools.administration.note(caller, { readsOf: agent.agentId }, [change], 'allowed', agent.agentId)
}
