import type { TenantScope } from '@agentfs/access'
import { EMPTY_LOG, type LogState, root } from '@agentfs/audit'
import { AgentfsError, type EpochStart, isAgentfsError, type StreamRecord } from '@agentfs/contracts'
import { type BlockRecord, openObject, openRecordBlock } from '@agentfs/crypto'
import {
  findKeys,
  findStream,
  isStreamKeyErased,
  recordIds,
  restoreStream,
  type StreamRow,
} from '@agentfs/storage'
import type { UsableKey } from '../keys/key-vault.js'
import { RecentMap } from '../reads/recent-map.js'
import type { UnreadObject } from './bucket.js'
import { FoldBatch, type FoldedStream, type OpenedRecord } from './fold-batch.js'
import { type FoundEntry, type StoredCommit, StreamCommits } from './stream-commits.js'
import type { RebuildTools, StreamToRebuild } from './rebuild-tools.js'
import { WriteBatch } from './write-batch.js'

/** What a stream's rebuilding put back. */
export interface RebuiltStream {
  readonly records: number
  readonly versions: number
  readonly parts: number
  /** The highest epoch of any segment, readable or not; a new one must be higher. */
  readonly lastEpoch: number
}

/** A commit by its place in a stream. */
export interface StreamPlace {
  readonly epoch: number
  readonly seq: number
}

/** The newest image of a node is all that a batch writes of it; what a larger one holds costs the garbage collector more. */
const BATCH_COMMITS = 1_000
const BATCH_BYTES = 16 << 20
/** Commits are asked for in their order: more than two blocks in turn are copies of one another. */
const BLOCKS_OPEN = 4

/**
 * Folds what the segments of a stream hold onto its rows, from its head on, in the order of epoch and seq. *Stored* is a
 * prefix: after the first record that is missing nothing counts. Each batch is one transaction that moves the head, so that
 * a rebuilding which was killed goes on where it was.
 */
export class StreamRebuilding {
  readonly #tools: RebuildTools
  readonly #scope: TenantScope
  readonly #target: StreamToRebuild
  readonly #unread: UnreadObject[] = []
  readonly #done = { records: 0, versions: 0, parts: 0 }
  readonly #blocks = new RecentMap<readonly BlockRecord[]>(BLOCKS_OPEN)
  #recordsOnly = false
  #key: UsableKey | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(tools: RebuildTools, scope: TenantScope, target: StreamToRebuild) {
    this.#tools = tools
    this.#scope = scope
    this.#target = target
  }

  /** All that follows the head; or records alone, without their trees, up to a commit that an image is of. */
  async run(until?: StreamPlace): Promise<RebuiltStream> {
    const { agentId } = this.#target
    this.#recordsOnly = until !== undefined
    const walks = this.#walks(this.#unread)
    const lastEpoch = walks.at(-1)?.epoch ?? 0
    const forks = await this.#forks(walks)
    let head = await this.#head()
    for (const { epoch, walk } of walks) {
      if (head === undefined || epoch < head.epoch) continue
      if (until !== undefined && epoch > until.epoch) break
      const fork = forks.find((later) => later.epoch > epoch)
      const end = until?.epoch === epoch ? until.seq : Infinity
      const last = Math.min(walk.lastSeq, fork === undefined ? Infinity : fork.seq - 1, end)
      const start = forks.find((it) => it.epoch === epoch)
      if (epoch > head.epoch && !this.#continues(start, head)) break
      const before = epoch > head.epoch ? { epoch, seq: head.seq, log: EMPTY_LOG } : head
      const after = await this.#fold(walk, before, last)
      head = after.head
      if (this.#key === undefined) break
      if (after.gap) {
        this.#reportGap(after.head, walk.lastSeq)
        break
      }
    }
    await this.#writing
    this.#tools.losses.addUnread(this.#scope.tenantId, agentId, distinct(this.#unread))
    return { ...this.#done, lastEpoch }
  }

  /** True where the stored commits lead to a place: no later epoch left before it, and segments reach it. */
  async reaches({ epoch, seq }: StreamPlace): Promise<boolean> {
    this.#recordsOnly = true
    const walks = this.#walks([])
    const forks = await this.#forks(walks)
    const left = forks.some(
      ({ epoch: to, forkedFrom: from }) =>
        to > epoch && (from.epoch < epoch || (from.epoch === epoch && from.seq < seq)),
    )
    return !left && (walks.find((walk) => walk.epoch === epoch)?.walk.lastSeq ?? 0) >= seq
  }

  /**
   * The first seq of the rows whose commit another history of the bucket has in its place, or went without; undefined where
   * rows and bucket are one history, the one or the other further on. `cursor` is what the rows call stored.
   */
  async divergence(cursor: {
    readonly epoch: number
    readonly seq: number
  }): Promise<{ epoch: number; from: number; to: number } | undefined> {
    const { streamId } = this.#target
    const row = await this.#tools.database.withTenant(this.#scope, (tx) => findStream(tx, streamId))
    if (row === undefined || row.headSeq === 0) return undefined
    const head = await this.#headOf(row)
    const { epoch, seq: to } = head
    const walks = this.#walks([])
    const forks = await this.#forks(walks)
    const next = forks.find((fork) => fork.epoch > epoch)?.forkedFrom
    const branch =
      next === undefined ? Infinity : next.epoch < epoch ? 0 : next.epoch > epoch ? Infinity : next.seq
    const walk = walks.find((one) => one.epoch === epoch)?.walk
    const last = Math.min(to, walk?.lastSeq ?? 0, branch)
    // What is stored was read from the bucket or put there; of it the last is looked at, of what waits everything.
    const from = Math.min(cursor.epoch === epoch ? Math.max(cursor.seq, 1) : 1, last)
    if (walk !== undefined && last > 0) {
      const known = await this.#tools.database.withTenant(this.#scope, (tx) =>
        recordIds(tx, streamId, { epoch, from, to: last }),
      )
      for (let seq = from; seq <= last; seq++) {
        const id = known.get(seq)
        if (id === undefined) continue
        const { records } = await walk.at(seq)
        if (records.length === 0 || records.some((record) => record.id === id)) continue
        return { epoch, from: seq, to }
      }
    }
    return branch < to ? { epoch, from: branch + 1, to } : undefined
  }

  /** The segments of each epoch, the oldest epoch first. */
  #walks(unread: UnreadObject[]): { readonly epoch: number; readonly walk: StreamCommits }[] {
    const { segments, streamId } = this.#target
    const own = segments.filter(
      ({ header, hasRecords }) => header.streamId === streamId && (hasRecords || !this.#recordsOnly),
    )
    const epochs = [...new Set(own.map(({ header }) => header.epoch))].sort((left, right) => left - right)
    return epochs.map((epoch) => {
      const ofEpoch = own.filter(({ header }) => header.epoch === epoch)
      return { epoch, walk: new StreamCommits(this.#tools.bucket, ofEpoch, unread) }
    })
  }

  /** Where the epochs after the first begin, by the sealed word of their first records. */
  async #forks(
    walks: readonly { readonly epoch: number; readonly walk: StreamCommits }[],
  ): Promise<EpochStart[]> {
    const forks: EpochStart[] = []
    for (const { epoch, walk } of walks) {
      if (epoch === 0) continue
      const first = await this.#open(await walk.peekFirst())
      const start = first?.record as EpochStart | StreamRecord | undefined
      if (start !== undefined && 'forkedFrom' in start && start.epoch === epoch) forks.push(start)
    }
    return forks
  }

  /** True where an epoch forked from the very log that was rebuilt; else it says so. */
  #continues(
    start: EpochStart | undefined,
    head: { readonly epoch: number; readonly seq: number; readonly log: LogState },
  ): boolean {
    const { tenantId } = this.#scope
    const from = start?.forkedFrom
    const same =
      from !== undefined &&
      from.epoch === head.epoch &&
      from.seq === head.seq &&
      from.size === head.log.size &&
      from.root === root(head.log).toString('hex')
    if (!same) {
      const detail = `stream ${this.#target.streamId}: the next epoch does not begin where epoch ${head.epoch} ends, at seq ${head.seq}`
      this.#tools.losses.add({ kind: 'gap', tenant: tenantId, ...this.#agent(), detail })
    }
    return same
  }

  /** The stream's head as its row has it; a tenant's row is made when its first record opens. */
  async #head(): Promise<{ epoch: number; seq: number; log: LogState } | undefined> {
    const { database } = this.#tools
    const { streamId, kind, agentId } = this.#target
    const found = await database.withTenant(this.#scope, (tx) => findStream(tx, streamId))
    if (found !== undefined) return this.#headOf(found)
    const [first] = this.#target.segments.filter(({ header }) => header.streamId === streamId)
    if (kind !== 'tenant' || first === undefined) return undefined
    const scanned = await this.#tools.bucket.scan(first.key)
    const keyId = scanned.entries.find(({ kind: of }) => of === 'record' || of === 'recordBlock')?.keyId
    if (keyId === undefined) return undefined
    await database.withTenant(this.#scope, (tx) => restoreStream(tx, { streamId, kind, agentId, keyId }))
    this.#key = await this.#keyOf(keyId)
    return { epoch: 0, seq: 0, log: EMPTY_LOG }
  }

  async #headOf(row: StreamRow): Promise<{ epoch: number; seq: number; log: LogState }> {
    this.#key = await this.#keyOf(row.keyId)
    return { epoch: row.epoch, seq: row.headSeq, log: { size: row.merkleSize, range: row.merkleRange } }
  }

  async #keyOf(keyId: string): Promise<UsableKey | undefined> {
    const rows = await this.#tools.database.withTenant(this.#scope, (tx) => findKeys(tx, [keyId]))
    return (await this.#tools.vault.unwrap(this.#scope, rows)).get(keyId)
  }

  async #isErased(): Promise<boolean> {
    const { streamId } = this.#target
    return this.#tools.database.withTenant(this.#scope, (tx) => isStreamKeyErased(tx, streamId))
  }

  async #fold(
    walk: StreamCommits,
    from: { epoch: number; seq: number; log: LogState },
    last: number,
  ): Promise<{ head: { epoch: number; seq: number; log: LogState }; gap: boolean }> {
    const key = this.#key
    if (key === undefined) {
      // Erased with its agent: nothing of it is to come back.
      if (await this.#isErased()) return { head: from, gap: false }
      const detail = `stream ${this.#target.streamId}: its key is in no piece of the ledger`
      this.#tools.losses.add({ kind: 'key', tenant: this.#scope.tenantId, ...this.#agent(), detail })
      return { head: from, gap: last > from.seq }
    }
    const stream: FoldedStream = {
      tenantId: this.#scope.tenantId,
      streamId: this.#target.streamId,
      agentId: this.#target.agentId,
      key,
    }
    let head = from
    for (;;) {
      this.#tools.signal?.throwIfAborted()
      const batch = new FoldBatch(stream, head)
      const commits: StoredCommit[] = []
      let bytes = 0
      let gap = false
      while (batch.seq < last && commits.length < BATCH_COMMITS && bytes < BATCH_BYTES) {
        const commit = await walk.at(batch.seq + 1)
        const opened = await this.#open(commit)
        const { epoch, seq } = batch
        if (opened === undefined || opened.record.epoch !== epoch || opened.record.seq !== seq + 1) {
          gap = true
          break
        }
        batch.add(opened, batch.log)
        commits.push(commit)
        bytes += opened.plain.length
        for (const entries of commit.manifests.values()) bytes += entries[0]?.length ?? 0
        for (const { length } of commit.parts) bytes += length
      }
      if (commits.length > 0) {
        head = { epoch: batch.epoch, seq: batch.seq, log: batch.log }
        await this.#write(batch, commits)
      }
      if (gap || batch.seq >= last) {
        await this.#writing
        return { head, gap }
      }
    }
  }

  /** Prepares a batch while the one before it is written. */
  async #write(batch: FoldBatch, commits: readonly StoredCommit[]): Promise<void> {
    const writer = new WriteBatch(this.#tools, this.#scope, this.#target, batch, commits, this.#recordsOnly)
    await writer.prepare(() => this.#writing)
    await this.#writing
    this.#writing = writer.write().then(({ versions, parts }) => {
      this.#done.records += commits.length
      this.#done.versions += versions
      this.#done.parts += parts
      this.#tools.onCommits(commits.length)
    })
    // Whoever waits next hears of a failure; until then it is nobody's.
    this.#writing.catch(() => undefined)
  }

  /** The first copy of a commit's record that opens. */
  async #open(commit: StoredCommit | undefined): Promise<OpenedRecord | undefined> {
    for (const entry of commit?.records ?? []) {
      const key = this.#key?.keyId === entry.keyId ? this.#key : await this.#keyOf(entry.keyId)
      if (key === undefined) continue
      try {
        const { recordId, plain } = this.#plain(entry, commit?.seq ?? entry.seq, key)
        const record = JSON.parse(Buffer.from(plain).toString('utf8')) as StreamRecord
        if (record.stream === this.#target.streamId) return { entry, recordId, plain, record }
      } catch (error) {
        if (!isAgentfsError(error, 'object_corrupt')) throw error
        this.#unread.push({
          object: `${entry.kind === 'record' ? 'record' : 'block'} ${entry.id} in segment ${entry.objectId}`,
          problem: 'it does not open',
        })
      }
    }
    return undefined
  }

  /** The text of the record of a commit, alone or out of its block, which is opened once for all of them. */
  #plain(
    entry: FoundEntry,
    seq: number,
    key: UsableKey,
  ): { readonly recordId: string; readonly plain: Uint8Array } {
    const { tenantId } = this.#scope
    const { id, objectId, kind, sealed } = entry
    if (kind === 'record') {
      return { recordId: id, plain: openObject({ kind, tenantId, objectId: id, ...key }, sealed) }
    }
    const name = `${objectId}/${id}`
    const block = this.#blocks.get(name) ?? openRecordBlock({ tenantId, ...key }, id, sealed)
    this.#blocks.set(name, block)
    const found = block[seq - entry.seq]
    if (found?.seq !== seq) throw new AgentfsError('object_corrupt', { objectId: id, reason: 'seqs' })
    return { recordId: found.recordId, plain: found.text }
  }

  #reportGap(head: { readonly epoch: number; readonly seq: number }, lastSeq: number): void {
    const { streamId } = this.#target
    const detail =
      `stream ${streamId}: the record of seq ${head.seq + 1} (epoch ${head.epoch}) is missing; ` +
      `it ends there, and up to ${lastSeq - head.seq} later ones do not count`
    this.#tools.losses.add({ kind: 'gap', tenant: this.#scope.tenantId, ...this.#agent(), detail })
  }

  #agent(): { agent?: string } {
    const { agentId } = this.#target
    return agentId === null ? {} : { agent: agentId }
  }
}

function distinct(unread: readonly UnreadObject[]): UnreadObject[] {
  return [...new Map(unread.map((one) => [`${one.object} ${one.problem}`, one])).values()]
}
