import type { Principal } from '@agentfs/access'
import type {
  ChangesPage,
  CommitFrame,
  ContentItem,
  ContentsAnswer,
  ContentsRequest,
  PartAnswer,
  PushAnswer,
  PushRequest,
  SnapshotPage,
} from '@agentfs/contracts'
import type { Caller } from '../caller.js'

/** Heads of one agent, as read from the primary. */
export interface StreamHead {
  readonly epoch: number
  readonly head: number
  /** The last seq that is in the object store. */
  readonly stored: number
  readonly grantsVersion: number
}

/** An agent whose heads are asked for. */
export interface AgentAddress {
  readonly tenantId: string
  readonly agentId: string
}

/** What the clients of SYNC.md need. */
export interface SyncApi {
  /**
   * Commits a push [SY-6]. `digest` is the SHA-256 (hex) of the body as sent. The same digest gets the same answer
   * [SY-8]; `store_forked` for a wrong predecessor; `epoch_changed` where `epoch` is over.
   */
  push(
    caller: Caller,
    agent: string,
    epoch: number,
    request: PushRequest,
    digest: string,
  ): Promise<PushAnswer>
  /** Those of some parts that are not there. */
  missingParts(caller: Caller, agent: string, parts: readonly string[]): Promise<readonly string[]>
  /**
   * Keeps one part of at most 1 MiB [SY-13]; `created` false where it was there already. Its bytes are given away: nobody may
   * use them afterwards.
   */
  putPart(
    caller: Caller,
    agent: string,
    part: {
      readonly node: string
      readonly part: string
      /** The directory a new node is meant for. */
      readonly parent?: string
      readonly data: Uint8Array
      /** Content-Digest, where the client sent one. */
      readonly sha256?: Uint8Array
    },
  ): Promise<{ created: boolean; answer: PartAnswer }>
  snapshot(
    caller: Caller,
    agent: string,
    query: { readonly limit: number; readonly cursor?: string; readonly under?: string },
  ): Promise<SnapshotPage>
  /** `too_old` where `since` lies more than 10,000 commits back; `epoch_changed` where the epoch is over. */
  changes(
    caller: Caller,
    agent: string,
    query: { readonly since: number; readonly epoch: number; readonly limit?: number },
  ): Promise<ChangesPage>
  contents(caller: Caller, agent: string, request: ContentsRequest): Promise<ContentsAnswer>
  /** For the feed: resolves the agent once and checks that the caller may follow it. */
  openFeed(
    caller: Caller,
    agent: string,
    from: { readonly since: number; readonly epoch: number },
  ): Promise<{ readonly address: AgentAddress; readonly head: StreamHead }>
  /** For the feed: commits after `since`, filtered for the principal; recorded reads are the contents only. */
  commitsAfter(caller: Caller, agentId: string, epoch: number, since: number): Promise<readonly CommitFrame[]>
  /** For the feed: small contents of versions that a commit made, recorded as delivered for `feed`. */
  feedContents(
    caller: Caller,
    agentId: string,
    commit: CommitFrame,
    bytesMax: number,
  ): Promise<readonly ContentItem[]>
  /** Heads of many agents in one query, keyed `tenantId/agentId`; what is gone is left out [SY-3]. */
  heads(agents: readonly AgentAddress[]): Promise<ReadonlyMap<string, StreamHead>>
  /** Checks that a feed's credential still holds; throws what `accounts.verifyToken` would. */
  stillHolds(principal: Principal, address: string | null): Promise<void>
}
