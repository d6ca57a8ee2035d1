import type { TenantScope } from '@agentfs/access'
import { AgentfsError, uuidv7 } from '@agentfs/contracts'
import {
  type NewObject,
  ObjectRowsStore,
  type PackableStream,
  PackingStore,
  type StagedRange,
  type StagedStream,
  type StreamPosition,
  SwitchStore,
} from '@agentfs/storage'
import type { CrashPoints } from './crash-points.js'
import { type FollowerOptions, SYSTEM_CLOCK } from './follower-options.js'
import { KeyLedger, type LedgerPiece } from './key-ledger.js'
import { segmentKey } from './object-keys.js'
import { isDue, type PackPlan, planSegment } from './pack-plan.js'
import { PartOffload } from './part-offload.js'
import { assembleSegment, type AssembledSegment } from './segment-assembly.js'
import { TenantObjects } from './tenant-objects.js'

/** What became of one step. */
export type PackOutcome =
  /** Nothing waits. */
  | { readonly kind: 'idle' }
  /** Another packer was first; its segment counts. */
  | { readonly kind: 'lost' }
  | {
      readonly kind: 'stored'
      readonly through: StreamPosition
      /** Bytes and number of the objects written. */
      readonly bytes: number
      readonly puts: number
      /** Nothing waits any more. */
      readonly drained: boolean
    }

/** What the packer works on. */
export interface PackerOptions extends FollowerOptions {
  /** Called after commits became *stored*. */
  readonly onStored?: (scope: TenantScope, streamId: string, through: StreamPosition) => void
  readonly crashPoints?: CrashPoints
  /** Asked before the first segment of a stream that this process stores: what the bucket has beyond the rows must not be forked. */
  readonly isBucketAhead?: (scope: TenantScope, stream: PackableStream) => Promise<boolean>
}

// Each costs a few index look-ups; more than this never fits a segment in practice.
const COMMITS_MAX = 4_096

/**
 * The first follower: moves a stream's sealed records, manifests and parts from Postgres into segments. Each step is
 * idempotent and starts from the cursor, so it may be killed anywhere and run twice at once. It needs no key.
 */
export class Packer {
  readonly #staged: PackingStore
  readonly #switch: SwitchStore
  readonly #objectRows: ObjectRowsStore
  readonly #objects: TenantObjects
  readonly #ledger: KeyLedger
  readonly #offload: PartOffload
  readonly #nowMs: () => number
  readonly #onStored: NonNullable<PackerOptions['onStored']>
  readonly #crashPoints: CrashPoints
  readonly #isBucketAhead: NonNullable<PackerOptions['isBucketAhead']>

  constructor(options: PackerOptions) {
    const { clock = SYSTEM_CLOCK } = options
    this.#staged = new PackingStore(options.database)
    this.#switch = new SwitchStore(options.database)
    this.#objectRows = new ObjectRowsStore(options.database)
    this.#objects = new TenantObjects(options.resources)
    this.#ledger = new KeyLedger(options)
    this.#offload = new PartOffload(options)
    this.#nowMs = () => clock.now()
    this.#onStored = options.onStored ?? (() => undefined)
    this.#crashPoints = options.crashPoints ?? (() => undefined)
    this.#isBucketAhead = options.isBucketAhead ?? (() => Promise.resolve(false))
  }

  /** Packs a stream for as long as it is due; yields what each step did. */
  async *advance(scope: TenantScope, streamId: string, signal?: AbortSignal): AsyncGenerator<PackOutcome> {
    for (;;) {
      signal?.throwIfAborted()
      const staged = await this.#staged.staged(scope, streamId, COMMITS_MAX)
      if (staged === undefined || !isDue(staged.stream, this.#nowMs())) return
      const outcome = await this.#packOnce(scope, staged, signal)
      yield outcome
      if (outcome.kind !== 'stored') return
    }
  }

  /**
   * Stores the next run of commits, due or not, as one segment. Throws what the object store or the database throws,
   * `unavailable` also while the store is known to be away; then nothing has changed.
   */
  async packStream(scope: TenantScope, streamId: string, signal?: AbortSignal): Promise<PackOutcome> {
    const staged = await this.#staged.staged(scope, streamId, COMMITS_MAX)
    return staged === undefined ? { kind: 'idle' } : this.#packOnce(scope, staged, signal)
  }

  async #packOnce(
    scope: TenantScope,
    { stream, commits }: StagedStream,
    signal?: AbortSignal,
  ): Promise<PackOutcome> {
    const plan = planSegment(commits)
    if (plan === undefined) {
      if (stream.stagedSince !== null) await this.#settle(scope, stream, signal)
      return { kind: 'idle' }
    }
    await this.#objects.assertWritable(scope)
    // Side by side: awaited before anything of the agent is switched over.
    const tenantStored = this.#storeTenantFirst(scope, stream, signal)
    tenantStored.catch(() => undefined)
    // Awaited before a segment of the stream is written.
    const bucketKnown = this.#assertBucketKnown(scope, stream)
    bucketKnown.catch(() => undefined)
    try {
      const offloaded = await this.#offload.offload(scope, stream, plan, signal)
      const outcome = await this.#packPlan(scope, stream, plan, { bucketKnown, tenantStored }, signal)
      if (outcome.kind !== 'stored') return outcome
      this.#onStored(scope, stream.streamId, outcome.through)
      return { ...outcome, bytes: outcome.bytes + offloaded.bytes, puts: outcome.puts + offloaded.puts }
    } finally {
      // Where the agent's own failed, nothing may go on behind the caller's back.
      await Promise.allSettled([tenantStored, bucketKnown])
    }
  }

  /** What is in the bucket beyond the database is another history: nothing may be written beside it. */
  async #assertBucketKnown(scope: TenantScope, stream: PackableStream): Promise<void> {
    if (!(await this.#isBucketAhead(scope, stream))) return
    const detail = 'the database is older than its bucket; nothing is stored'
    throw new AgentfsError('unavailable', { detail })
  }

  /** A stream without commits to store: that of an erased tenant waits for its tombstone to be in the ledger [ENC-3]. */
  async #settle(scope: TenantScope, stream: PackableStream, signal?: AbortSignal): Promise<void> {
    const { streamId, kind } = stream
    if (kind === 'tenant') await this.#ledger.write(scope, streamId, { keyIds: [], nodeIds: [] }, signal)
    await this.#staged.settle(scope, streamId)
  }

  /** Before anything of an agent counts as stored the bucket must tell that there is such an agent: the tenant's stream does. */
  async #storeTenantFirst(scope: TenantScope, stream: PackableStream, signal?: AbortSignal): Promise<void> {
    if (stream.kind === 'tenant' || stream.cursor.seq > 0) return
    for (;;) {
      const outcome = await this.packStream(scope, scope.tenantId, signal)
      if (outcome.kind !== 'stored' || outcome.drained) return
    }
  }

  async #packPlan(
    scope: TenantScope,
    stream: PackableStream,
    plan: PackPlan,
    conditions: { readonly bucketKnown: Promise<void>; readonly tenantStored: Promise<void> },
    signal?: AbortSignal,
  ): Promise<PackOutcome> {
    const { epoch, firstSeq, lastSeq } = plan
    const range = await this.#staged.stagedRange(scope, stream, epoch, firstSeq, lastSeq)
    // Every commit has a record: another packer has stored them since they were planned.
    if (range.records.length === 0) return { kind: 'lost' }
    const keyIds = keysOf(stream, range)
    // After the rows: a key that a commit made stands in Postgres by the time its rows show.
    const nodeIds = range.manifests.map(({ nodeId }) => nodeId)
    const wanted = { keyIds, nodeIds, streamKeys: stream.kind === 'tenant' }
    const piece = await this.#ledger.missingPiece(scope, stream.streamId, wanted)
    const object = newSegmentObject(scope, stream, plan)
    const segment = assembleSegment(scope, stream, plan, object.objectId, range)
    const objects = piece === undefined ? [object] : [object, piece.object]
    await this.#objectRows.insertWriting(scope, objects, this.#now())
    await this.#crashPoints('claimed')
    try {
      await conditions.bucketKnown
      await this.#putBoth(scope, object, segment, piece, signal)
      await conditions.tenantStored
    } catch (error) {
      const objectIds = objects.map(({ objectId }) => objectId)
      await this.#objectRows.giveUp(scope, objectIds, this.#now()).catch(() => undefined)
      throw error
    }
    // A key that was erased since the piece was built must not come to the ledger with it: another piece, without.
    const ledgered =
      piece === undefined ||
      (await this.#ledger.finish(scope, piece)) ||
      (await this.#ledger.write(scope, stream.streamId, wanted, signal))
    if (!ledgered) return { kind: 'lost' }
    await this.#crashPoints('ledgered')
    const outcome = await this.#switch.switchToSegment(
      scope,
      stream,
      {
        objectId: object.objectId,
        size: segment.bytes.length,
        checksum: segment.sha256,
        through: { epoch, seq: lastSeq },
        places: segment.places,
        keyIds,
      },
      this.#now(),
    )
    await this.#crashPoints('switched')
    if (outcome.kind === 'lost') return outcome
    const bytes = segment.bytes.length + (piece?.body.length ?? 0)
    return {
      kind: 'stored',
      through: { epoch, seq: lastSeq },
      bytes,
      puts: objects.length,
      drained: outcome.drained,
    }
  }

  /** Side by side, for a flush waits for both. Neither counts before the transactions that follow. */
  async #putBoth(
    scope: TenantScope,
    object: NewObject,
    segment: AssembledSegment,
    piece: LedgerPiece | undefined,
    signal?: AbortSignal,
  ): Promise<void> {
    const puts = [
      this.#objects
        .create(scope, object.objectKey, segment.bytes, signal)
        .then(() => this.#crashPoints('segment-put')),
    ]
    if (piece !== undefined) {
      puts.push(this.#ledger.put(scope, piece, signal).then(() => this.#crashPoints('ledger-put')))
    }
    // Both have ended, one way or the other, before their rows are touched again.
    for (const result of await Promise.allSettled(puts)) {
      if (result.status === 'rejected') throw result.reason
    }
  }

  #now(): Date {
    return new Date(this.#nowMs())
  }
}

function newSegmentObject(scope: TenantScope, stream: PackableStream, plan: PackPlan): NewObject {
  const objectId = uuidv7()
  return {
    objectId,
    streamId: stream.streamId,
    kind: 'segment',
    objectKey: segmentKey(scope, stream.agentId, objectId),
    epoch: plan.epoch,
    firstSeq: plan.firstSeq,
    lastSeq: plan.lastSeq,
  }
}

function keysOf(stream: PackableStream, { manifests, parts }: StagedRange): string[] {
  return [...new Set([stream.keyId, ...[...manifests, ...parts].map(({ keyId }) => keyId)])]
}
