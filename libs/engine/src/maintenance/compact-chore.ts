import { setTimeout as delay } from 'node:timers/promises'
import type { TenantScope } from '@agentfs/access'
import { AgentfsError, isAgentfsError, uuidv7 } from '@agentfs/contracts'
import {
  buildSegment,
  CompactionStore,
  type LiveSegment,
  type MovedRow,
  type NewObject,
  ObjectRowsStore,
  parseSegment,
  type SegmentEntry,
  type SegmentRow,
} from '@agentfs/storage'
import type { CrashPoints } from '../followers/crash-points.js'
import { type FollowerOptions, SYSTEM_CLOCK } from '../followers/follower-options.js'
import { segmentKey } from '../followers/object-keys.js'
import { besideTheirManifests } from '../followers/segment-order.js'
import { TenantObjects } from '../followers/tenant-objects.js'
import type { Chore, ChoreRequest, ChoreStep } from './chore.js'
import { planCompaction, rewrittenBytes, WANTED } from './compaction-plan.js'
import { type BlockRun, RecordBlocks } from './record-blocks.js'

const ZERO_ID = '00000000-0000-0000-0000-000000000000'
const BYTES_PER_SECOND = 32 * 1024 * 1024

/** What compaction works on. */
export interface CompactOptions extends FollowerOptions {
  /** Bytes read and written per second at most, over all tenants of this process; 32 MiB unless told. */
  readonly bytesPerSecond?: number
  readonly crashPoints?: CrashPoints
}

/**
 * Makes blocks of stored records, rewrites segments that hold little, and merges small neighbours. What is rewritten moves as
 * whole entries, as they are sealed: only blocks need a key. The object row is committed before the PUT; rows move, and the old segments die, in one transaction afterwards: a
 * crash anywhere leaves either the old or the new, and an object for the collector.
 */
export class CompactChore implements Chore {
  readonly name = 'compact'
  readonly counted = [
    'segmentsRewritten',
    'reclaimedBytes',
    'blocksWritten',
    'recordsMoved',
    'damaged',
    'lost',
  ]
  readonly #blocks: RecordBlocks
  readonly #store: CompactionStore
  readonly #objectRows: ObjectRowsStore
  readonly #objects: TenantObjects
  readonly #now: () => Date
  readonly #bytesPerSecond: number
  readonly #crashPoints: CrashPoints

  constructor(options: CompactOptions) {
    const { clock = SYSTEM_CLOCK } = options
    this.#store = new CompactionStore(options.database)
    this.#objectRows = new ObjectRowsStore(options.database)
    this.#objects = new TenantObjects(options.resources)
    this.#now = () => new Date(clock.now())
    this.#bytesPerSecond = options.bytesPerSecond ?? BYTES_PER_SECOND
    this.#crashPoints = options.crashPoints ?? (() => undefined)
    this.#blocks = new RecordBlocks(options, this.#crashPoints)
  }

  /** One segment, of blocks or rewritten, of the first stream that wants one. `resume` is the last stream that was done. */
  async step(scope: TenantScope, { agentId, dryRun, resume, signal }: ChoreRequest): Promise<ChoreStep> {
    const done = resume ?? ZERO_ID
    const streamId = await this.#store.nextStream(scope, agentId, done)
    if (streamId === undefined) return { counts: {}, resume: null }
    const blockRun = await this.#blocks.plan(scope, streamId)
    const blocked =
      dryRun || blockRun === undefined ? undefined : await this.#writeBlocks(scope, blockRun, signal)
    if (blocked !== undefined && blocked !== 'damaged') return { counts: blocked, resume: done }
    // Findings of `fsck` and `scrub`: the rest of the stream need not wait for what becomes of it.
    const damaged = blocked === 'damaged' ? { damaged: 1 } : {}
    const run = planCompaction(await this.#store.liveSegments(scope, streamId, WANTED), this.#now().getTime())
    if (dryRun) {
      const blocks = blockRun === undefined ? {} : { blocksWritten: blockRun.blocks.length }
      const segments =
        run === undefined
          ? {}
          : { segmentsRewritten: run.length, reclaimedBytes: sizeOf(run) - rewrittenBytes(run) }
      return { counts: { ...blocks, ...segments }, resume: streamId }
    }
    if (run === undefined) return { counts: damaged, resume: streamId }
    const read = sizeOf(run)
    const written = await this.#rewrite(scope, run, signal).catch(unlessDamaged)
    if (written === 'damaged') return { counts: { damaged: 1 }, resume: streamId }
    await this.#pause(read + (written ?? 0), signal)
    // Where another was first, the next look sees what it left.
    if (written === undefined) return { counts: { lost: 1 }, resume: done }
    return { counts: { segmentsRewritten: run.length, reclaimedBytes: read - written }, resume: done }
  }

  /** What was counted; `damaged` where a record's bytes are not as they were written. */
  async #writeBlocks(
    scope: TenantScope,
    run: BlockRun,
    signal: AbortSignal | undefined,
  ): Promise<Readonly<Record<string, number>> | 'damaged'> {
    const written = await this.#blocks.write(scope, run, signal).catch(unlessDamaged)
    if (written === 'damaged') return written
    if (written === undefined) return { lost: 1 }
    await this.#pause(written.readBytes + written.writtenBytes, signal)
    return { blocksWritten: written.blocks, recordsMoved: written.records }
  }

  async #pause(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    const pauseMs = (bytes / this.#bytesPerSecond) * 1000
    await delay(pauseMs, undefined, signal === undefined ? {} : { signal })
  }

  /** The size of the new segment; undefined where another compaction was first. */
  async #rewrite(
    scope: TenantScope,
    run: readonly LiveSegment[],
    signal: AbortSignal | undefined,
  ): Promise<number | undefined> {
    const [first] = run
    if (first === undefined) return 0
    const oldIds = run.map(({ objectId }) => objectId)
    const { parts, manifests, records } = await this.#store.rowsIn(scope, first.streamId, oldIds)
    const rows = besideTheirManifests<SegmentRow, (typeof manifests)[number], SegmentRow>(
      parts,
      manifests,
      records,
    )
    if (rows.length === 0) {
      const dropped = await this.#store.dropEmpty(scope, first.streamId, oldIds, this.#now())
      return dropped === 0 ? undefined : 0
    }
    const entries = await this.#entries(scope, run, rows, signal)
    const object = newObject(scope, first, run)
    const { epoch, firstSeq, lastSeq, objectId } = object
    const { bytes, sha256, placements } = buildSegment({
      segmentId: objectId,
      tenantId: scope.tenantId,
      streamId: first.streamId,
      agentId: first.agentId,
      epoch,
      firstSeq,
      lastSeq,
      entries,
    })
    const moved = rows.map((row): MovedRow => {
      const placement = placements.get(row.id)
      if (placement === undefined) throw new Error(`${row.id} has no place in segment ${objectId}`)
      return { ...row, toOffset: placement.offset }
    })
    await this.#objectRows.insertWriting(scope, [object], this.#now())
    await this.#crashPoints('claimed')
    try {
      await this.#objects.create(scope, object.objectKey, bytes, signal)
    } catch (error) {
      await this.#objectRows.giveUp(scope, [objectId], this.#now()).catch(() => undefined)
      throw error
    }
    await this.#crashPoints('segment-put')
    const rewritten = { objectId, size: bytes.length, checksum: sha256, replaces: run, rows: moved }
    const switched = await this.#store.switchTo(scope, rewritten, this.#now())
    await this.#crashPoints('switched')
    return switched ? bytes.length : undefined
  }

  /** The entries of the rows, each proven against its checksum before it is copied. */
  async #entries(
    scope: TenantScope,
    run: readonly LiveSegment[],
    rows: readonly SegmentRow[],
    signal: AbortSignal | undefined,
  ): Promise<SegmentEntry[]> {
    const found = new Map<string, SegmentEntry>()
    for (const { objectId, objectKey } of run) {
      const parsed = parseSegment(await this.#objects.get(scope, objectKey, signal), objectKey)
      for (const entry of parsed.entries) found.set(`${objectId}/${entry.offset}/${entry.id}`, entry)
    }
    return rows.map(({ kind, id, objectId, objectOffset }) => {
      const entry = found.get(`${objectId}/${objectOffset}/${id}`)
      if (entry?.kind === kind) return entry
      throw new AgentfsError('object_corrupt', {
        object: objectId,
        detail: `segment ${objectId} does not hold ${kind} ${id} where its row says`,
      })
    })
  }
}

/** What is not as it was written is left alone: it must not keep compaction from all streams that come after. */
function unlessDamaged(error: unknown): 'damaged' {
  if (isAgentfsError(error, 'object_corrupt') || isAgentfsError(error, 'not_found')) return 'damaged'
  throw error
}

function sizeOf(run: readonly LiveSegment[]): number {
  return run.reduce((sum, { size }) => sum + size, 0)
}

function newObject(scope: TenantScope, first: LiveSegment, run: readonly LiveSegment[]): NewObject {
  const objectId = uuidv7()
  return {
    objectId,
    streamId: first.streamId,
    kind: 'segment',
    objectKey: segmentKey(scope, first.agentId, objectId),
    epoch: first.epoch,
    firstSeq: Math.min(...run.map(({ firstSeq }) => firstSeq)),
    lastSeq: Math.max(...run.map(({ lastSeq }) => lastSeq)),
  }
}
