import { AgentfsError, type Name, parsePath } from '@agentfs/contracts'
import { type AgentRow, type Database, findPath, type NodeRow } from '@agentfs/storage'
import type { Caller } from '../caller.js'

/** A path, and as much of it as exists. */
export interface ResolvedPath {
  readonly names: readonly Name[]
  /** The nodes along it, the root first. */
  readonly found: readonly NodeRow[]
  /** The node at its end. */
  readonly node: NodeRow | undefined
}

/** Resolves a path as the tree is now. */
export async function resolvePath(
  { database }: { readonly database: Database },
  caller: Caller,
  agent: AgentRow,
  path: string,
): Promise<ResolvedPath> {
  const names = parsePath(path)
  const found = await database.readTenant(caller.principal.scope, (tx) =>
    findPath(tx, agent.agentId, agent.rootId, names),
  )
  return resolvedFrom(names, found)
}

/** What the nodes found along a path say about it. */
export function resolvedFrom(names: readonly Name[], found: readonly NodeRow[]): ResolvedPath {
  return { names, found, node: found.length === names.length + 1 ? found.at(-1) : undefined }
}

/** The node at a path, or `not_found`; `not_a_directory` where the path leads through a file. */
export function requireNode({ names, found, node }: ResolvedPath): NodeRow {
  if (node !== undefined) return node
  const last = found.at(-1)
  const path = names.join('/')
  if (last !== undefined && last.kind !== 'directory') {
    throw new AgentfsError('not_a_directory', { path, detail: 'the path leads through a file' })
  }
  throw new AgentfsError('not_found', { path, detail: 'there is nothing of that name' })
}

/** The file at a path. */
export function requireFile(resolved: ResolvedPath): NodeRow {
  const node = requireNode(resolved)
  assertFile(node, resolved.names.join('/'))
  return node
}

/** Refuses what is no file. */
export function assertFile({ kind }: NodeRow, path: string): void {
  if (kind === 'directory') throw new AgentfsError('is_directory', { path, detail: 'this is a directory' })
  if (kind === 'symlink')
    throw new AgentfsError('invalid_request', { path, detail: 'this is a symbolic link' })
}
