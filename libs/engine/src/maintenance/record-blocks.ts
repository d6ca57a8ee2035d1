import { leafHash } from '@agentfs/audit'
import type { TenantScope } from '@agentfs/access'
import { AgentfsError, uuidv7 } from '@agentfs/contracts'
import { type BlockRecord, openObject, sealRecordBlock } from '@agentfs/crypto'
import {
  type BlockedStream,
  buildSegment,
  ObjectRowsStore,
  parseSegment,
  type PlacedBlock,
  RecordBlocksStore,
  type SingleRecord,
} from '@agentfs/storage'
import type { CrashPoints } from '../followers/crash-points.js'
import { type FollowerOptions, SYSTEM_CLOCK } from '../followers/follower-options.js'
import { segmentKey } from '../followers/object-keys.js'
import { TenantObjects } from '../followers/tenant-objects.js'
import { KeyVault, type UsableKey } from '../keys/key-vault.js'
import { BLOCK_RECORDS, planBlocks } from './block-plan.js'

/** What one segment of blocks takes at most, and so one step. */
const SEGMENT_BLOCKS = 4

/** Blocks to make, of one epoch, and the key that seals them. */
export interface BlockRun {
  readonly stream: BlockedStream
  readonly key: UsableKey
  readonly blocks: readonly (readonly SingleRecord[])[]
}

/** What became of a run. */
export interface BlocksWritten {
  readonly blocks: number
  readonly records: number
  readonly readBytes: number
  readonly writtenBytes: number
}

/**
 * Seals stored records anew in blocks of many, which compress as one record cannot: with the stream's key, for what is
 * sealed looks like noise. The object row is committed before the PUT; the rows of all its records move in one transaction
 * afterwards. A record counts only where its leaf is over just the bytes that were opened.
 */
export class RecordBlocks {
  readonly #database: FollowerOptions['database']
  readonly #vault: KeyVault
  readonly #store: RecordBlocksStore
  readonly #objectRows: ObjectRowsStore
  readonly #objects: TenantObjects
  readonly #nowMs: () => number
  readonly #crashPoints: CrashPoints

  constructor({ database, resources, clock = SYSTEM_CLOCK }: FollowerOptions, crashPoints: CrashPoints) {
    this.#database = database
    this.#vault = new KeyVault(database, resources)
    this.#store = new RecordBlocksStore(database)
    this.#objectRows = new ObjectRowsStore(database)
    this.#objects = new TenantObjects(resources)
    this.#nowMs = () => clock.now()
    this.#crashPoints = crashPoints
  }

  /** What there is to do in a stream; undefined also where its key is gone. */
  async plan(scope: TenantScope, streamId: string): Promise<BlockRun | undefined> {
    const found = await this.#store.singleRecords(scope, streamId, SEGMENT_BLOCKS * BLOCK_RECORDS)
    const [first, ...others] = planBlocks(found.records, this.#nowMs())
    const { stream } = found
    if (stream === undefined || first === undefined) return undefined
    const keys = await this.#database.withTenant(scope, (tx) => this.#vault.load(tx, [stream.keyId]))
    const key = keys.get(stream.keyId)
    if (key === undefined) return undefined
    const same = others.filter(([record]) => record?.epoch === first[0]?.epoch)
    return { stream, key, blocks: [first, ...same].slice(0, SEGMENT_BLOCKS) }
  }

  /**
   * Writes the blocks of a run as one segment; undefined where another was first. Throws `object_corrupt` or `not_found`
   * where a record's bytes are not as they were written; then nothing has changed.
   */
  async write(
    scope: TenantScope,
    { stream, key, blocks }: BlockRun,
    signal?: AbortSignal,
  ): Promise<BlocksWritten | undefined> {
    const { tenantId } = scope
    const { streamId, agentId, keyId } = stream
    const records = blocks.flat()
    const [first, last] = [records[0], records.at(-1)]
    if (first === undefined || last === undefined) throw new Error('a run without records')
    const { texts, readBytes } = await this.#texts(scope, records, key, signal)
    const entries = blocks.map((block) => {
      const id = uuidv7()
      const contents = block.map(({ recordId, seq }): BlockRecord => {
        const text = texts.get(recordId)
        if (text === undefined) throw new Error(`record ${recordId} was not opened`)
        return { recordId, seq, text }
      })
      const sealed = sealRecordBlock({ tenantId, ...key }, id, contents)
      const seq = contents[0]?.seq ?? 0
      return { kind: 'recordBlock' as const, id, keyId, seq, count: block.length, sealed, block }
    })
    const objectId = uuidv7()
    const range = { epoch: first.epoch, firstSeq: first.seq, lastSeq: last.seq }
    const { bytes, placements, sha256 } = buildSegment({
      segmentId: objectId,
      tenantId,
      streamId,
      agentId,
      ...range,
      entries,
    })
    const placed = entries.map(({ id, block }): PlacedBlock => {
      const placement = placements.get(id)
      if (placement === undefined) throw new Error(`block ${id} has no place in segment ${objectId}`)
      return { blockId: id, ...placement, records: block }
    })
    const objectKey = segmentKey(scope, agentId, objectId)
    const object = { objectId, streamId, kind: 'segment' as const, objectKey, ...range }
    await this.#objectRows.insertWriting(scope, [object], this.#now())
    await this.#crashPoints('claimed')
    try {
      await this.#objects.create(scope, objectKey, bytes, signal)
    } catch (error) {
      await this.#objectRows.giveUp(scope, [objectId], this.#now()).catch(() => undefined)
      throw error
    }
    await this.#crashPoints('segment-put')
    const segment = { objectId, size: bytes.length, checksum: sha256, blocks: placed }
    const switched = await this.#store.switchTo(scope, streamId, segment, this.#now())
    await this.#crashPoints('switched')
    if (!switched) return undefined
    return { blocks: blocks.length, records: records.length, readBytes, writtenBytes: bytes.length }
  }

  /** The text of each record, by its id, one segment after another. */
  async #texts(
    scope: TenantScope,
    records: readonly SingleRecord[],
    key: UsableKey,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly texts: ReadonlyMap<string, Uint8Array>; readonly readBytes: number }> {
    const texts = new Map<string, Uint8Array>()
    let readBytes = 0
    for (const [objectId, held] of Map.groupBy(records, (record) => record.objectId)) {
      const objectKey = held[0]?.objectKey ?? ''
      const body = await this.#objects.get(scope, objectKey, signal)
      readBytes += body.length
      const entries = new Map(parseSegment(body, objectKey).entries.map((entry) => [entry.id, entry]))
      for (const { recordId, seq, leaf, objectOffset } of held) {
        const entry = entries.get(recordId)
        const binding = { kind: 'record', tenantId: scope.tenantId, objectId: recordId, ...key } as const
        const isThere = entry?.kind === 'record' && entry.offset === objectOffset
        const text = isThere ? openObject(binding, entry.sealed) : undefined
        if (text === undefined || !leafHash(text).equals(leaf)) {
          const detail = `segment ${objectId} does not hold the record of seq ${seq} as the log has it`
          throw new AgentfsError('object_corrupt', { object: objectId, detail })
        }
        texts.set(recordId, text)
      }
    }
    return { texts, readBytes }
  }

  #now(): Date {
    return new Date(this.#nowMs())
  }
}
