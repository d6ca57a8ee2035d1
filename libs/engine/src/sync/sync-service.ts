import type { Principal, TenantScope } from '@agentfs/access'
import {
  AgentfsError,
  type ChangesPage,
  type CommitFrame,
  type ContentItem,
  type ContentsAnswer,
  type ContentsRequest,
  isAgentfsError,
  type PartAnswer,
  type PushAnswer,
  type PushRequest,
  type SnapshotPage,
  agentNotFound,
} from '@agentfs/contracts'
import {
  type Database,
  findStream,
  findUploadedParts,
  headsAcrossTenants,
  snapshotRows,
  storedThrough,
} from '@agentfs/storage'
import type { AgentGate } from '../agents/agent-gate.js'
import type { AgentAddress, StreamHead, SyncApi } from '../api/sync-api.js'
import type { Caller } from '../caller.js'
import type { Committer } from '../commit/commit.js'
import type { Administration } from '../streams/administration.js'
import type { Backlog } from './backlog.js'
import type { CommitReader } from './commit-reader.js'
import { isTaken, type PartIntake } from './part-intake.js'
import type { SmallContents } from './small-contents.js'
import { decodeSnapshotCursor, encodeSnapshotCursor } from './snapshot-cursor.js'
import { assertWholeHome } from './whole-home.js'

/** A client further behind than this is quicker with a snapshot. */
const CHANGES_BEHIND_MAX = 10_000
const CHANGES_PAGE = 500
const CONTENT_EACH_MAX = 1_048_576
const CONTENTS_ALL_MAX = 8 * 1_048_576
const FEED_CONTENT_EACH_MAX = 65_536

/** What the service of sync routes is made of. */
export interface SyncTools {
  readonly database: Database
  readonly gate: AgentGate
  readonly committer: Committer
  readonly commits: CommitReader
  readonly contents: SmallContents
  readonly parts: PartIntake
  readonly backlog: Backlog
  readonly administration: Administration
  /** Told of a client that has seen more of an agent's stream than there is, or claims so. */
  readonly onClientAhead: (scope: TenantScope, agentId: string) => void
  /** Throws what signing in again would where the credential no longer holds. */
  readonly stillHolds: (principal: Principal, address: string | null) => Promise<void>
}

/** The service behind the sync routes and the feed. */
export class SyncService implements SyncApi {
  readonly #tools: SyncTools

  constructor(tools: SyncTools) {
    this.#tools = tools
  }

  async push(
    caller: Caller,
    agent: string,
    epoch: number,
    request: PushRequest,
    digest: string,
  ): Promise<PushAnswer> {
    // A base may be any version of the home, and its bytes become the caller's own file.
    assertWholeHome(caller)
    const { gate, committer, backlog } = this.#tools
    const found = await gate.open(caller, agent)
    await backlog.assertRoom(caller.principal.scope)
    const committed = committer.commit({
      caller,
      agent: found,
      operations: request.operations.map((operation) => ({ operation })),
      push: {
        storeId: request.store,
        number: request.number,
        digest: Buffer.from(digest, 'hex'),
        previous: request.previous === null ? null : Buffer.from(request.previous, 'hex'),
      },
      epoch,
      strict: false,
    })
    const { results, commit, receipt } = await committed.catch((error: unknown) => {
      // It builds on a push that is not known here.
      if (isAgentfsError(error, 'store_forked'))
        this.#tools.onClientAhead(caller.principal.scope, found.agentId)
      throw error
    })
    return { digest, results: [...results], commit, receipt }
  }

  async putPart(
    caller: Caller,
    agent: string,
    part: {
      readonly node: string
      readonly part: string
      readonly parent?: string
      readonly data: Uint8Array
      readonly sha256?: Uint8Array
    },
  ): Promise<{ created: boolean; answer: PartAnswer }> {
    assertWholeHome(caller)
    const found = await this.#tools.gate.open(caller, agent)
    await this.#tools.gate.require(caller, found, '', 'write')
    return this.#tools.parts.take(caller.principal.scope, found, part)
  }

  async missingParts(caller: Caller, agent: string, parts: readonly string[]): Promise<readonly string[]> {
    assertWholeHome(caller)
    const found = await this.#tools.gate.open(caller, agent)
    await this.#tools.gate.require(caller, found, '', 'write')
    const there = await this.#tools.database.readTenant(caller.principal.scope, (tx) =>
      findUploadedParts(tx, found.agentId, parts),
    )
    const ids = new Set(there.filter(isTaken).map(({ partId }) => partId))
    return parts.filter((part) => !ids.has(part))
  }

  async snapshot(
    caller: Caller,
    agent: string,
    query: { readonly limit: number; readonly cursor?: string; readonly under?: string },
  ): Promise<SnapshotPage> {
    assertWholeHome(caller)
    const found = await this.#tools.gate.open(caller, agent)
    const position = query.cursor === undefined ? undefined : decodeSnapshotCursor(query.cursor)
    const head = await this.#head(caller, found.agentId)
    if (position !== undefined && position.epoch !== head.epoch) throw epochChanged(head.epoch)
    // The head was read first: what the rows already hold of later commits loses nothing by being applied again [SY-2].
    const rows = await this.#tools.database.withTenant(caller.principal.scope, (tx) =>
      snapshotRows(tx, found.agentId, position?.after ?? null, query.limit, query.under ?? null),
    )
    const { epoch } = head
    const seq0 = position?.seq0 ?? head.head
    const last = rows.at(-1)
    const more = rows.length === query.limit && last !== undefined
    const nextCursor = more ? encodeSnapshotCursor({ epoch, seq0, after: last.node.id }) : null
    return { epoch, seq0, root: found.rootId, rows, nextCursor }
  }

  async changes(
    caller: Caller,
    agent: string,
    query: { readonly since: number; readonly epoch: number; readonly limit?: number },
  ): Promise<ChangesPage> {
    assertWholeHome(caller)
    const found = await this.#tools.gate.open(caller, agent)
    const head = await this.#head(caller, found.agentId)
    this.#assertReachable(caller, found.agentId, head, query)
    const { scope } = caller.principal
    const limit = query.limit ?? CHANGES_PAGE
    const commits = await this.#tools.commits.after(scope, found.agentId, query.epoch, query.since, limit)
    return { epoch: head.epoch, head: head.head, stored: head.stored, commits }
  }

  async contents(caller: Caller, agent: string, request: ContentsRequest): Promise<ContentsAnswer> {
    assertWholeHome(caller)
    const found = await this.#tools.gate.open(caller, agent)
    const { scope } = caller.principal
    const items = await this.#tools.contents.read(
      scope,
      found.agentId,
      request.items,
      CONTENT_EACH_MAX,
      CONTENTS_ALL_MAX,
    )
    await this.#delivered(caller, found.agentId, items, request.reason)
    return { items }
  }

  async openFeed(
    caller: Caller,
    agent: string,
    from: { readonly since: number; readonly epoch: number },
  ): Promise<{ readonly address: AgentAddress; readonly head: StreamHead }> {
    assertWholeHome(caller)
    const found = await this.#tools.gate.open(caller, agent)
    const head = await this.#head(caller, found.agentId)
    this.#assertReachable(caller, found.agentId, head, from)
    return { address: { tenantId: caller.principal.scope.tenantId, agentId: found.agentId }, head }
  }

  /** A client that is ahead within the epoch has seen what a restored database may lack. */
  #assertReachable(
    caller: Caller,
    agentId: string,
    head: StreamHead,
    from: { readonly since: number; readonly epoch: number },
  ): void {
    if (from.epoch === head.epoch && from.since > head.head)
      this.#tools.onClientAhead(caller.principal.scope, agentId)
    assertNear(head, from)
  }

  commitsAfter(
    caller: Caller,
    agentId: string,
    epoch: number,
    since: number,
  ): Promise<readonly CommitFrame[]> {
    return this.#tools.commits.after(caller.principal.scope, agentId, epoch, since, CHANGES_PAGE)
  }

  async feedContents(
    caller: Caller,
    agentId: string,
    commit: CommitFrame,
    bytesMax: number,
  ): Promise<readonly ContentItem[]> {
    const wanted = commit.delta.versions
      .filter(({ size }) => size <= FEED_CONTENT_EACH_MAX)
      .map(({ id, node }) => ({ node, version: id }))
    if (wanted.length === 0) return []
    const { scope } = caller.principal
    const items = await this.#tools.contents.read(scope, agentId, wanted, FEED_CONTENT_EACH_MAX, bytesMax)
    await this.#delivered(caller, agentId, items, 'feed')
    return items
  }

  async heads(agents: readonly AgentAddress[]): Promise<ReadonlyMap<string, StreamHead>> {
    const streams = agents.map(({ tenantId, agentId }) => ({ tenantId, streamId: agentId }))
    const rows = await headsAcrossTenants(this.#tools.database, streams)
    return new Map(
      rows.map((row) => [
        `${row.tenantId}/${row.streamId}`,
        {
          epoch: row.epoch,
          head: row.headSeq,
          stored: row.storedEpoch === row.epoch ? row.storedSeq : 0,
          grantsVersion: row.grantsVersion,
        },
      ]),
    )
  }

  stillHolds(principal: Principal, address: string | null): Promise<void> {
    return this.#tools.stillHolds(principal, address)
  }

  async #head(caller: Caller, agentId: string): Promise<StreamHead> {
    return this.#tools.database.withTenant(caller.principal.scope, async (tx) => {
      const [stream, stored] = await Promise.all([findStream(tx, agentId), storedThrough(tx, agentId)])
      if (stream === undefined) throw agentNotFound()
      const { epoch, headSeq, grantsVersion } = stream
      return { epoch, head: headSeq, stored: stored.epoch === epoch ? stored.seq : 0, grantsVersion }
    })
  }

  /** For a mount a read is the delivery of content to it, with the reason [AUD-1]. */
  async #delivered(
    caller: Caller,
    agentId: string,
    items: readonly ContentItem[],
    reason: string,
  ): Promise<void> {
    if (items.length === 0) return
    const changes = items.map(({ node, version, data }) => ({
      action: 'file.read' as const,
      node,
      version,
      bytes: data.length,
      details: { reason },
    }))
    await this.#tools.administration.note(caller, { readsOf: agentId }, changes, 'allowed', agentId)
  }
}

function assertNear(head: StreamHead, from: { readonly since: number; readonly epoch: number }): void {
  if (from.epoch !== head.epoch || from.since > head.head) throw epochChanged(head.epoch)
  if (head.head - from.since > CHANGES_BEHIND_MAX) {
    throw new AgentfsError('too_old', {
      detail: `more than ${CHANGES_BEHIND_MAX} commits behind; take a snapshot`,
      head: head.head,
    })
  }
}

function epochChanged(epoch: number): AgentfsError {
  return new AgentfsError('epoch_changed', { epoch, detail: 'the service was restored; take a snapshot' })
}
