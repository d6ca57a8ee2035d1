import {
  AgentfsError,
  type AuditAction,
  type Extent as WireExtent,
  type Operation,
  PART_BYTES_MAX,
  uuidv7,
  type WriteAnswer,
} from '@agentfs/contracts'
import { contentMac, sameContentMac } from '@agentfs/crypto'
import {
  type AgentRow,
  findPrepareFacts,
  type NodeRow,
  storedThrough,
  type VersionRow,
} from '@agentfs/storage'
import type { TreeReader } from '@agentfs/tree'
import type { ContentSource, WriteConditions } from '../api/files-api.js'
import type { Caller } from '../caller.js'
import type { PlannedOperation, WholeContent } from '../commit/planned-operation.js'
import { wholeVersion } from '../commit/prepare.js'
import { macKeyOf, sealPart } from '../content/seal-part.js'
import type { UsableKey } from '../keys/key-vault.js'
import type { FilesTools } from './files-tools.js'
import { resolvePath, type ResolvedPath } from './resolved-path.js'
import { GuessedWrong, requireGuess } from './known-directories.js'
import { destinationOf } from './missing-directories.js'
import { inParts } from './in-parts.js'
import { stateAt } from './stat-of.js'
import { firstPart, uploadParts } from './upload-parts.js'
import { answerOf, unchangedAnswer } from './write-answer.js'

/** Where a write goes, and what it finds there. */
export interface Target {
  readonly agent: AgentRow
  readonly path: string
  readonly resolved: ResolvedPath
  readonly standing: NodeRow | undefined
  readonly conditions: WriteConditions
  readonly action: AuditAction | undefined
  /** Its path was not looked up but guessed, see `KnownDirectories`: checked under the lock. */
  readonly guessed?: true
}

/**
 * Creates or replaces a file. Up to 1 MiB travels in the commit; more goes up part by part first, and only its names are
 * committed. Identical bytes make no new version.
 */
export async function putFile(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  path: string,
  body: ContentSource,
  conditions: WriteConditions = {},
  action?: AuditAction,
): Promise<{ created: boolean; answer: WriteAnswer }> {
  if (body instanceof Uint8Array && body.length <= PART_BYTES_MAX && conditions.ifMatch === undefined) {
    const created = await createByGuess(tools, caller, agent, path, body, conditions, action)
    if (created !== undefined) return created
  }
  const target = await findTarget(tools, caller, agent, path, conditions, action)
  const { first, all } = await firstPart(inParts(body))
  return all === null ? putSmall(tools, caller, target, first) : putLarge(tools, caller, target, all)
}

/** Creates a file where its directory was before; undefined where that is not known, or not so any more. */
async function createByGuess(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  path: string,
  bytes: Uint8Array,
  conditions: WriteConditions,
  action: AuditAction | undefined,
): Promise<{ created: boolean; answer: WriteAnswer } | undefined> {
  await requireWritable(tools, caller, agent, path)
  const resolved = tools.directories.guess(caller.principal.scope, agent.agentId, path)
  if (resolved === undefined) return undefined
  const target = { agent, path, resolved, standing: undefined, conditions, action, guessed: true } as const
  try {
    return await putSmall(tools, caller, target, bytes)
  } catch (error) {
    if (error instanceof GuessedWrong) return undefined
    throw error
  }
}

async function requireWritable(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  path: string,
): Promise<void> {
  await tools.gate.require(caller, agent, path, 'write')
  await tools.backlog.assertRoom(caller.principal.scope)
}

/** What stands where a write goes; refuses what the writer may not, or does not want to. */
export async function findTarget(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  path: string,
  conditions: WriteConditions,
  action?: AuditAction,
): Promise<Target> {
  await requireWritable(tools, caller, agent, path)
  const resolved = await resolvePath(tools, caller, agent, path)
  tools.directories.note(caller.principal.scope, agent.agentId, resolved)
  const standing = resolved.node
  if (standing?.kind === 'directory')
    throw new AgentfsError('is_directory', { path, detail: 'this is a directory' })
  if (standing?.kind === 'symlink') {
    throw new AgentfsError('invalid_request', {
      path,
      detail: 'this is a symbolic link; write to what it names',
    })
  }
  requireConditions(standing, conditions)
  return { agent, path, resolved, standing, conditions, action }
}

/** One round trip tells the file's key and whether the bytes are there already; the content is sealed here, once. */
async function putSmall(tools: FilesTools, caller: Caller, target: Target, bytes: Uint8Array) {
  const { agent, standing } = target
  const { scope } = caller.principal
  const node = standing?.nodeId ?? uuidv7()
  const facts =
    standing === undefined
      ? undefined
      : await tools.database.readTenant(scope, (tx) =>
          findPrepareFacts(tx, agent.agentId, {
            nodeIds: [standing.nodeId],
            appendedNodeIds: [standing.nodeId],
            versionIds: [],
            partIds: [],
            keyIds: [],
          }),
        )
  const keys = await tools.vault.unwrap(scope, facts?.keys ?? [])
  const head = facts?.versions[0]
  if (
    standing !== undefined &&
    head !== undefined &&
    (await holdsBytes(tools, caller, agent, head, keys, bytes))
  ) {
    return { created: false, answer: await unchanged(tools, caller, target, standing) }
  }
  const known = keys.get(facts?.nodes[0]?.contentKeyId ?? '')
  const made =
    known === undefined
      ? await tools.vault.newKey(scope, 'content', { agentId: agent.agentId, nodeId: node })
      : undefined
  const key = known ?? made
  if (key === undefined) throw new Error('a file has no key')
  const part = sealPart(scope.tenantId, key, bytes)
  const content: WholeContent = {
    kind: 'whole',
    version: wholeVersion(part, bytes),
    parts: bytes.length === 0 ? [] : [part],
    uploaded: [],
    objectIds: [],
    key,
    ...(made === undefined ? {} : { newKey: made }),
  }
  return commitContent(tools, caller, target, node, bytes.length, [], content)
}

async function putLarge(tools: FilesTools, caller: Caller, target: Target, parts: AsyncIterable<Uint8Array>) {
  const node = target.standing?.nodeId ?? uuidv7()
  const { extents, size } = await uploadParts(tools, caller, target.agent, node, parts)
  return commitContent(tools, caller, target, node, size, extents)
}

/** Commits the content of a file; one that is new gets `node` as its id. */
export async function commitContent(
  tools: FilesTools,
  caller: Caller,
  target: Target,
  node: string,
  size: number,
  extents: WireExtent[],
  content?: WholeContent,
): Promise<{ created: boolean; answer: WriteAnswer }> {
  const { agent, path, resolved, standing, conditions, action } = target
  const write: Operation = { op: 'write', node, base: null, version: uuidv7(), size, extents }
  const operations: PlannedOperation[] = [
    {
      operation: write,
      unconditional: true,
      ...(content === undefined ? {} : { content }),
      ...(action === undefined ? {} : { action }),
    },
  ]
  let check: (tree: TreeReader, rootId: string) => void
  if (standing === undefined) {
    const { parent, name, creates } = destinationOf(resolved, conditions.parents === true)
    operations.unshift(...creates.map((operation) => ({ operation })), {
      operation: { op: 'create', node, kind: 'file', parent, name },
    })
    const parentIsNew = creates.length > 0
    check = (tree, rootId) => {
      if (target.guessed === true) requireGuess(tree, rootId, resolved)
      const found = parentIsNew ? undefined : tree.entry(tree.resolve(parent), name)
      if (conditions.createOnly === true && found !== undefined)
        throw conflict(tree.node(found)?.version ?? null)
      if (conditions.ifMatch !== undefined && conditions.ifMatch !== '*') throw conflict(null)
    }
  } else {
    check = (tree) => {
      const found = tree.node(tree.resolve(node))
      const version = found?.deleted === true ? null : (found?.version ?? null)
      if (conditions.createOnly === true && found !== undefined && found.deleted !== true)
        throw conflict(version)
      const { ifMatch } = conditions
      if (ifMatch !== undefined && ifMatch !== '*' && ifMatch !== version) throw conflict(version)
    }
  }
  const outcome = await tools.committer.commit({ caller, agent, operations, check, strict: true })
  const { applied } = outcome
  if (applied === null) throw new Error('a write changed nothing')
  tools.directories.noteFile(caller.principal.scope, agent.agentId, resolved.names)
  return { created: standing === undefined, answer: answerOf({ ...outcome, applied }, agent, node, path) }
}

/** Refuses what the writer insists on and does not find [CON-6]; checked again under the lock. */
function requireConditions(standing: NodeRow | undefined, conditions: WriteConditions): void {
  if (conditions.createOnly === true && standing !== undefined) throw conflict(standing.headVersion)
  const { ifMatch } = conditions
  if (ifMatch === undefined) return
  if (standing === undefined) throw conflict(null)
  if (ifMatch !== '*' && ifMatch !== standing.headVersion) throw conflict(standing.headVersion)
}

/** The refusal of a precondition, with the version that stands. */
export function conflict(version: string | null): AgentfsError {
  const detail =
    version === null
      ? 'the file is not there as the condition says'
      : 'the file has another version than the condition says'
  return new AgentfsError('version_conflict', { version, detail })
}

/** Whether a file's head has exactly these bytes, told by keyed hash where it is one part, else by reading it. */
async function holdsBytes(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  head: VersionRow,
  keys: ReadonlyMap<string, UsableKey>,
  bytes: Uint8Array,
): Promise<boolean> {
  const key = keys.get(head.keyId)
  if (head.size !== bytes.length || key === undefined) return false
  if (bytes.length === 0) return true
  const { scope } = caller.principal
  const opened = await tools.opener.open(scope, agent.agentId, head, keys)
  const { layout } = opened
  const [only, ...others] = layout.kind === 'inline' ? layout.extents : []
  // A partial run of a part has the whole part's hash: only a whole part may be told by it.
  if (others.length === 0 && only?.keyId === key.keyId && sameContentMac(head.contentMac, only.mac)) {
    return sameContentMac(contentMac(macKeyOf(key), bytes), only.mac)
  }
  const standing = await tools.reader.read(scope, agent.agentId, layout, 0, opened.size)
  return standing.equals(bytes)
}

async function unchanged(
  tools: FilesTools,
  caller: Caller,
  { agent, path }: Target,
  node: NodeRow,
): Promise<WriteAnswer> {
  const stored = await tools.database.readTenant(caller.principal.scope, (tx) =>
    storedThrough(tx, agent.agentId),
  )
  const { epoch } = agent
  return unchangedAnswer(node, path, { epoch, stored: stateAt(node.seq, epoch, stored) === 'stored' })
}
