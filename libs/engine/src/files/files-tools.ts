import type { AgentRow, Database, NodeRow } from '@agentfs/storage'
import { AgentfsError, parsePath, type Name } from '@agentfs/contracts'
import { findPath } from '@agentfs/storage'
import type { AgentGate } from '../agents/agent-gate.js'
import type { Caller } from '../caller.js'
import type { Committer } from '../commit/commit.js'
import type { PackHint } from '../followers/pack-hint.js'
import type { PromptPacker } from '../followers/prompt-packer.js'
import type { Erasures } from '../keys/erasures.js'
import type { KeyVault } from '../keys/key-vault.js'
import type { Clock } from '../ports.js'
import type { ContentReader } from '../reads/content-reader.js'
import type { ExtentPages } from '../reads/extent-pages.js'
import type { KnownPlaces } from '../reads/known-places.js'
import type { SharedLooks } from '../reads/shared-looks.js'
import type { KnownDirectories } from './known-directories.js'
import type { VersionOpener } from '../reads/version-opener.js'
import type { Administration } from '../streams/administration.js'
import type { Backlog } from '../sync/backlog.js'
import type { PartIntake } from '../sync/part-intake.js'

/** What the files by path are served with. */
export interface FilesTools {
  readonly database: Database
  readonly vault: KeyVault
  readonly erasures: Erasures
  readonly gate: AgentGate
  readonly committer: Committer
  readonly opener: VersionOpener
  readonly pages: ExtentPages
  readonly reader: ContentReader
  readonly places: KnownPlaces
  readonly directories: KnownDirectories
  readonly looks: SharedLooks
  readonly parts: PartIntake
  readonly backlog: Backlog
  readonly administration: Administration
  readonly packHint: PackHint
  /** Packs what a flush waits for; undefined where only workers may. */
  readonly promptPacker: () => PromptPacker | undefined
  readonly clock: Clock
  readonly fileBytesMax: number
}

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
  { database }: Pick<FilesTools, 'database'>,
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
