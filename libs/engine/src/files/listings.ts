import {
  AgentfsError,
  type ListOf,
  type ListQuery,
  type Name,
  type Stat,
  type TreeQuery,
  type Version,
} from '@agentfs/contracts'
import { type AgentRow, listBelow, type ListedNode, listVersions, storedThrough } from '@agentfs/storage'
import { z } from 'zod'
import type { NodeRef } from '../api/files-api.js'
import type { Caller } from '../caller.js'
import type { FilesTools } from './files-tools.js'
import { assertFile, requireNode, resolvePath } from './resolved-path.js'
import { globDepth, globMatcher } from './glob.js'
import { locate } from './locate.js'
import { stateAt, statOf } from './stat-of.js'

/** Pages that one request looks through for what its glob matches. */
const PAGES_MAX = 50

/** What lies below a directory, in order of paths; of a file, the file itself. Paths the caller may not see are left out. */
export async function listTree(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  query: TreeQuery,
): Promise<ListOf<Stat>> {
  await tools.gate.require(caller, agent, query.path, 'read')
  const resolved = await resolvePath(tools, caller, agent, query.path)
  const directory = requireNode(resolved)
  await tools.gate.requireShown(caller, agent, query.path, directory.kind)
  if (directory.kind !== 'directory') {
    throw new AgentfsError('not_a_directory', { path: query.path, detail: 'this is a file' })
  }
  const matches = query.glob === undefined ? () => true : globMatcher(query.glob)
  const depth = query.depth ?? (query.glob === undefined ? 1 : globDepth(query.glob))
  const { scope } = caller.principal
  const { names } = resolved
  let after: readonly Name[] | null = query.cursor === undefined ? null : decodeCursor(query.cursor)
  const data: Stat[] = []
  const stored = await tools.database.readTenant(scope, (tx) => storedThrough(tx, agent.agentId))
  for (let page = 1; ; page++) {
    const rows = await tools.database.readTenant(scope, (tx) =>
      listBelow(tx, agent.agentId, directory.nodeId, depth, after, query.limit + 1),
    )
    for (const row of rows.slice(0, query.limit)) {
      if (data.length === query.limit) return { data, nextCursor: encodeCursor(after) }
      after = row.names
      const full = [...names, ...row.names]
      if (!matches(row.names) || !isVisible(tools, caller, agent, full, row.kind)) continue
      data.push(statOf(row, full, agent.epoch, stored))
    }
    if (rows.length <= query.limit) return { data, nextCursor: null }
    if (data.length === query.limit || page >= PAGES_MAX) return { data, nextCursor: encodeCursor(after) }
  }
}

/** A file's versions, newest first; by id those of a deleted file too. */
export async function listFileVersions(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  ref: NodeRef,
  query: ListQuery,
): Promise<ListOf<Version>> {
  const { node, names } = await locate(tools, caller, agent, ref, { deletedToo: true })
  assertFile(node, names.join('/'))
  const below = query.cursor === undefined ? 2 ** 31 - 1 : z.coerce.number().int().min(1).parse(query.cursor)
  const { rows, stored } = await tools.database.readTenant(caller.principal.scope, async (tx) => {
    const [found, position] = await Promise.all([
      listVersions(tx, agent.agentId, node.nodeId, below, query.limit + 1),
      storedThrough(tx, agent.agentId),
    ])
    return { rows: found, stored: position }
  })
  const page = rows.slice(0, query.limit)
  const data = page.map((row) => ({
    version: row.versionId,
    number: row.number,
    parents: row.parents,
    size: row.size,
    author: row.author,
    at: row.createdAt.toISOString(),
    state: stateAt(row.seq, row.epoch, stored),
  }))
  const last = page.at(-1)
  return { data, nextCursor: rows.length > query.limit && last !== undefined ? String(last.number) : null }
}

function isVisible(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  names: ListedNode['names'],
  kind: ListedNode['kind'],
): boolean {
  return tools.gate.decide(caller, agent, names.join('/'), 'read', kind).visible
}

const cursorNames = z.array(z.string()).min(1)

function encodeCursor(names: readonly Name[] | null): string | null {
  return names === null ? null : Buffer.from(JSON.stringify(names)).toString('base64url')
}

function decodeCursor(text: string): Name[] {
  try {
    return cursorNames.parse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')))
  } catch (cause) {
    throw new AgentfsError('invalid_request', { detail: 'the cursor is not one of ours' }, { cause })
  }
}
