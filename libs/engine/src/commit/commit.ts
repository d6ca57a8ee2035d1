import type { TenantScope } from '@agentfs/access'
import {
  AgentfsError,
  type CommitFrame,
  type ErrorCode,
  HTTP_STATUS,
  type OperationResult,
  type Receipt,
  uuidv7,
  agentNotFound,
} from '@agentfs/contracts'
import {
  type Database,
  findClientStore,
  findHeadsWithKeys,
  findVersionsWithKeys,
  findKeys,
  findVersions,
  isUniqueViolation,
  type LockedAgent,
  loadTree,
  lockAgent,
  NotLoaded,
  type Statement,
  type TenantTransaction,
  WorkingSet,
} from '@agentfs/storage'
import { isContentOperation, type TreeReader } from '@agentfs/tree'
import type { Caller } from '../caller.js'
import { lastPageOf } from '../content/layout.js'
import type { PackHint } from '../followers/pack-hint.js'
import type { Announcer, Clock } from '../ports.js'
import type { OpenedVersion } from '../reads/version-opener.js'
import { recordsAppended } from '../streams/append-records.js'
import type { AuthorDraft, RecordAuthor } from '../streams/record-author.js'
import { type AppliedCommit, applyCommit, VersionNotAtHand } from './apply-commit.js'
import { authorOf } from './author.js'
import { authoriser } from './authorise.js'
import { type PlannedOperation, PrepareAgain, type Prepared } from './planned-operation.js'
import { type JoiningTails, prepare, type PrepareTools } from './prepare.js'
import { answerKept, type CommitPush, keptAnswer, recordedResults } from './push-answer.js'
import { saveApplied, sendAliases } from './save-applied.js'
import { needsOf } from './tree-needs.js'

/** Preparations after which a commit gives up; each needs another writer to win in between. */
const PREPARATIONS_MAX = 5

/** Loads of more of the tree within one commit: conflict names that are taken, and ancestors to bring back, ask for some. */
const LOADS_MAX = 10_000

/** The agent a commit is for. */
interface CommitAgent {
  readonly agentId: string
  readonly streamKeyId: string
  readonly rootId: string
}

/** What is to be committed as one. */
export interface CommitRequest {
  readonly caller: Caller
  readonly agent: CommitAgent
  readonly operations: readonly PlannedOperation[]
  readonly push?: CommitPush
  /** The epoch the caller is in; any where absent. */
  readonly epoch?: number
  /** Checked against the tree under the lock, before anything is applied; throws to abort. */
  readonly check?: (tree: TreeReader, rootId: string) => void
  /** Runs in the commit's transaction once all else is sent; what it gives runs after COMMIT. */
  readonly within?: (tx: TenantTransaction) => Promise<() => void>
  /** A refused operation aborts the commit with its error, as REST wants it. */
  readonly strict: boolean
}

/** What became of a commit. `applied` is null where it was answered before, or nothing was applied. */
export interface CommitOutcome {
  readonly results: readonly OperationResult[]
  readonly commit: CommitFrame | null
  readonly receipt: Receipt | null
  readonly applied: AppliedCommit | null
  readonly epoch: number
  readonly seq: number
  /** Sealed bytes of manifests and parts that wait for the packer since. */
  readonly stagedBytes?: number
}

/** What a committer works with. */
export interface CommitTools extends PrepareTools {
  readonly database: Database
  readonly authors: RecordAuthor
  readonly announcer: Announcer
  readonly packHint: PackHint
  readonly clock: Clock
}

/** Prepares, commits under the agent's lock, then announces: the path of every mutation of a tree. */
export class Committer {
  readonly #tools: CommitTools
  readonly #joining: JoiningTails = new Set()

  constructor(tools: CommitTools) {
    this.#tools = tools
  }

  /** Commits operations with their record, or throws; after a throw nothing of them is there. */
  async commit(request: CommitRequest): Promise<CommitOutcome> {
    const { scope } = request.caller.principal
    const author = await this.#tools.authors.draft(request.caller)
    let held: ReadonlyMap<string, string> = new Map()
    for (let attempt = 1; ; attempt++) {
      const prepared = await prepare(this.#tools, scope, request.agent, request.operations, this.#joining)
      try {
        const { outcome, after } = await this.#tools.database.withTenant(scope, async (tx) => {
          const done = await this.#underLock(tx, request, prepared, author, held)
          return { outcome: done, after: await request.within?.(tx) }
        })
        after?.()
        this.#afterCommit(scope, request, outcome)
        return outcome
      } catch (error) {
        if (isUniqueViolation(error) && held.size === 0) {
          held = await this.#heldVersions(request, error)
          continue
        }
        if (!(error instanceof PrepareAgain)) throw error
        if (attempt >= PREPARATIONS_MAX) {
          throw new AgentfsError(
            'unavailable',
            { detail: 'the file changes too quickly; try again', retryAfterSeconds: 1 },
            { cause: error },
          )
        }
      } finally {
        for (const tail of prepared.joinedTails) this.#joining.delete(tail)
      }
    }
  }

  /** Versions that are there already: a restored store sends again what was committed under its old id [SY-8]. */
  async #heldVersions(
    { caller, agent, operations }: CommitRequest,
    cause: unknown,
  ): Promise<ReadonlyMap<string, string>> {
    const ids = operations.flatMap(({ operation }) =>
      isContentOperation(operation) ? [operation.version] : [],
    )
    const rows = await this.#tools.database.readTenant(caller.principal.scope, (tx) =>
      findVersions(tx, agent.agentId, ids),
    )
    if (rows.length > 0) return new Map(rows.map(({ versionId, nodeId }) => [versionId, nodeId]))
    if (new Set(ids).size === ids.length) throw cause
    throw new AgentfsError(
      'invalid_request',
      { detail: 'two operations make a version of one id' },
      { cause },
    )
  }

  async #underLock(
    tx: TenantTransaction,
    request: CommitRequest,
    prepared: Prepared,
    author: AuthorDraft,
    held: ReadonlyMap<string, string>,
  ): Promise<CommitOutcome> {
    const { agent, push } = request
    const operations = request.operations.map(({ operation }) => operation)
    const set = new WorkingSet()
    const appendedTo = operations.flatMap((operation) => (operation.op === 'append' ? [operation.node] : []))
    // One round trip: each of these sees what is committed once the lock is ours.
    const [locked, , keys, store, heads] = await Promise.all([
      lockAgent(tx, agent.agentId),
      loadTree(tx, agent.agentId, set, needsOf(operations, agent.rootId), operations.length),
      prepared.knownKeyIds.length === 0 ? [] : findKeys(tx, prepared.knownKeyIds),
      push === undefined ? undefined : findClientStore(tx, agent.agentId, push.storeId),
      appendedTo.length === 0 ? [] : findHeadsWithKeys(tx, agent.agentId, appendedTo),
    ])
    if (locked === undefined) throw agentNotFound()
    if (request.epoch !== undefined && request.epoch !== locked.epoch) {
      throw new AgentfsError('epoch_changed', { epoch: locked.epoch, detail: 'take a snapshot' })
    }
    if (push !== undefined) {
      const kept = keptAnswer(tx.tenantId, push, store, prepared.streamKey)
      if (kept !== undefined) {
        const { results, commit, receipt } = kept
        return {
          results,
          commit,
          receipt,
          applied: null,
          epoch: locked.epoch,
          seq: commit?.seq ?? locked.headSeq,
        }
      }
    }
    // An append goes onto the head as it is now, which another process may have made.
    for (const row of heads) await this.#tools.opener.openStaged(tx, agent.agentId, row)
    // A key erased since: what was sealed under it must not be committed.
    if (keys.length < prepared.knownKeyIds.length) throw new PrepareAgain('a key was erased')
    const nowMs = this.#tools.clock.now()
    const applied = await this.#apply(tx, request, prepared, locked, set, nowMs, held)
    if (request.strict) requireAll(applied.results)
    return this.#save(tx, request, prepared, locked, applied, author, nowMs)
  }

  async #apply(
    tx: TenantTransaction,
    request: CommitRequest,
    prepared: Prepared,
    locked: LockedAgent,
    set: WorkingSet,
    nowMs: number,
    held: ReadonlyMap<string, string>,
  ): Promise<AppliedCommit> {
    const { caller, operations } = request
    const { scope } = caller.principal
    const copyIds = new Map<number, string>()
    const copyId = (index: number): string => {
      const known = copyIds.get(index)
      if (known !== undefined) return known
      const made = uuidv7()
      // Nothing of this id can exist: the working set need not look for it.
      set.settle(made)
      copyIds.set(index, made)
      return made
    }
    for (let loads = 0; ; loads++) {
      try {
        request.check?.(set, locked.rootId)
        return applyCommit(set, {
          tenantId: tx.tenantId,
          rootId: locked.rootId,
          seq: locked.headSeq + 1,
          nowMs,
          author: authorOf(caller, locked),
          agentName: locked.name,
          operations,
          copyId,
          contents: prepared.contents,
          held,
          page: (page) => this.#tools.pages.remembered(scope, page),
          opened: (versionId) => this.#tools.opener.remembered(scope, versionId),
          authorise: authoriser(caller, locked, nowMs),
        })
      } catch (error) {
        if (loads >= LOADS_MAX) throw error
        if (error instanceof VersionNotAtHand) {
          await this.#openUnderLock(tx, locked.agentId, error)
          continue
        }
        if (!(error instanceof NotLoaded)) throw error
        await loadTree(tx, locked.agentId, set, error.needs, operations.length)
      }
    }
  }

  /** Opens a head that another process made since; what needs the object store is left to another preparation. */
  async #openUnderLock(
    tx: TenantTransaction,
    agentId: string,
    { versionId, message }: VersionNotAtHand,
  ): Promise<void> {
    const [row] = await findVersionsWithKeys(tx, agentId, [versionId])
    if (row !== undefined) await this.#tools.opener.openStaged(tx, agentId, row)
    const opened = this.#tools.opener.remembered(tx.scope, versionId)
    const last = opened === undefined ? undefined : lastPageOf(opened.layout)
    const isAtHand = last === undefined || this.#tools.pages.remembered(tx.scope, last) !== undefined
    if (opened === undefined || !isAtHand) throw new PrepareAgain(message)
  }

  async #save(
    tx: TenantTransaction,
    request: CommitRequest,
    prepared: Prepared,
    locked: LockedAgent,
    applied: AppliedCommit,
    author: AuthorDraft,
    nowMs: number,
  ): Promise<CommitOutcome> {
    const { push } = request
    const at = new Date(nowMs)
    const { epoch } = locked
    const seq = locked.headSeq + 1
    const changed = !applied.tree.unchanged
    let commit: CommitFrame | null = null
    let receipt: Receipt | null = null
    let stagedBytes = 0
    const statements: Statement[] = []
    if (changed) {
      const saved = await saveApplied(
        tx,
        locked.agentId,
        prepared,
        applied,
        authorOf(request.caller, locked),
        { epoch, seq, at },
      )
      ;({ stagedBytes } = saved)
      statements.push(...saved.statements)
      const digest = push === undefined ? undefined : Buffer.from(push.digest).toString('hex')
      const record = {
        at: at.toISOString(),
        ...author.record,
        outcome: 'allowed' as const,
        changes: [...applied.changes],
        delta: applied.delta,
        ...(push === undefined || digest === undefined
          ? {}
          : {
              push: { store: push.storeId, number: push.number, digest, ...recordedResults(applied.results) },
            }),
      }
      const draft = { record, agentId: locked.agentId, addressSealed: author.addressSealed }
      const appended = recordsAppended(tx.tenantId, locked, prepared.streamKey, [draft], stagedBytes)
      receipt = appended.receipt()
      statements.push(...appended.statements)
      commit = {
        epoch,
        seq,
        at: at.toISOString(),
        delta: applied.delta,
        ...(push === undefined ? {} : { store: push.storeId, pushNumber: push.number }),
      }
    }
    const { results } = applied
    if (push !== undefined) {
      const outcome = { results, commit, receipt }
      statements.push(...answerKept(tx.tenantId, locked, push, prepared.streamKey, outcome, at))
    }
    tx.later(tx.batch(statements))
    if (changed) sendAliases(tx, locked.agentId, applied, seq)
    return {
      results,
      commit,
      receipt,
      applied: changed ? applied : null,
      epoch,
      seq: changed ? seq : locked.headSeq,
      stagedBytes,
    }
  }

  #afterCommit(scope: TenantScope, request: CommitRequest, outcome: CommitOutcome): void {
    if (outcome.applied === null) return
    for (const version of outcome.applied.versions) {
      this.#tools.opener.remember(scope, openedOf(version))
      this.#tools.pages.remember(scope, version.pageExtents ?? new Map())
    }
    const { agentId } = request.agent
    const { epoch, seq } = outcome
    this.#tools.announcer.publish({ tenantId: scope.tenantId, agentId, epoch, seq })
    this.#tools.packHint.hint(scope, agentId, outcome.stagedBytes ?? 0)
  }
}

/** What readers keep of a version; none of the sealed bytes, which the caches would hold on to. */
function openedOf(version: AppliedCommit['versions'][number]): OpenedVersion {
  const { versionId, nodeId, number, size, layout, contentHash, contentMac, key } = version
  return { versionId, nodeId, keyId: key.keyId, number, size, layout, contentHash, contentMac }
}

function requireAll(results: readonly OperationResult[]): void {
  for (const result of results) {
    if (result.status === 'refused') {
      const code = Object.hasOwn(HTTP_STATUS, result.code) ? (result.code as ErrorCode) : 'internal'
      throw new AgentfsError(code, { detail: result.message })
    }
    if (result.status === 'parts_missing') throw new AgentfsError('parts_missing', { parts: result.parts })
  }
}
