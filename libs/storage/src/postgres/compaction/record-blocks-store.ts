import type { TenantScope } from '@agentfs/access'
import { arrayLiteral } from '../array-literal.js'
import type { Database } from '../database.js'
import { releaseBytes } from '../release-bytes.js'
import type { TenantTransaction } from '../transaction.js'

/** A record that is stored by itself. */
export interface SingleRecord {
  readonly recordId: string
  readonly epoch: number
  readonly seq: number
  readonly leaf: Uint8Array
  readonly at: Date
  readonly sealedLength: number
  readonly objectId: string
  readonly objectOffset: number
  readonly objectKey: string
}

/** Whose records they are, and what seals them. */
export interface BlockedStream {
  readonly streamId: string
  readonly agentId: string | null
  readonly keyId: string
}

/** A block of a segment, and the records that it holds now. */
export interface PlacedBlock {
  readonly blockId: string
  readonly offset: number
  readonly length: number
  readonly records: readonly SingleRecord[]
}

/** A segment of blocks whose bytes the object store has. */
export interface BlockSegment {
  readonly objectId: string
  readonly size: number
  readonly checksum: Uint8Array
  readonly blocks: readonly PlacedBlock[]
}

/**
 * Records that become blocks. Of the records of one block each row has the block's place and length; in the live bytes of an
 * object a block counts once.
 */
export class RecordBlocksStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** A stream with its oldest records that are stored and in no block, in their order. */
  async singleRecords(
    scope: TenantScope,
    streamId: string,
    limit: number,
  ): Promise<{ readonly stream: BlockedStream | undefined; readonly records: SingleRecord[] }> {
    return this.#database.withTenant(scope, async (tx) => {
      const [[stream], records] = await Promise.all([
        tx.query<BlockedStream>`select stream_id, agent_id, key_id from streams
          where tenant_id = ${tx.tenantId} and stream_id = ${streamId}`,
        tx.query<SingleRecord>`
          select r.record_id, r.epoch, r.seq, r.leaf, r.at, r.sealed_length, r.object_id, r.object_offset, o.object_key
          from records r join objects o on o.tenant_id = r.tenant_id and o.object_id = r.object_id
          where r.tenant_id = ${tx.tenantId} and r.stream_id = ${streamId} and r.block_id is null and r.object_id is not null
          order by r.epoch, r.seq limit ${limit}`,
      ])
      return { stream, records }
    })
  }

  /**
   * Points records at the blocks that hold them, and takes their bytes off the objects where they stood, in one transaction
   * under the stream's row and the objects' rows. False, and the new object dead, where it is no longer `writing` (its writer
   * slept past the grace time) or a record stands elsewhere by now (another compaction was first).
   */
  async switchTo(scope: TenantScope, streamId: string, segment: BlockSegment, now: Date): Promise<boolean> {
    const { objectId, blocks } = segment
    const records = blocks.flatMap((block) => block.records)
    const oldIds = [...new Set(records.map((record) => record.objectId))]
    return this.#database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      // The stream first, as every commit does: whoever moves records holds it.
      await tx.query`select from streams where tenant_id = ${tenantId} and stream_id = ${streamId} for update`
      const objects = await tx.query<{ objectId: string; state: string }>`
        select object_id, state from objects
        where tenant_id = ${tenantId} and object_id = any (${arrayLiteral([objectId, ...oldIds])}::uuid[])
        order by object_id for update`
      const isWriting = objects.some((object) => object.objectId === objectId && object.state === 'writing')
      if (!isWriting || (await countInPlace(tx, streamId, records)) !== records.length) {
        await tx.query`update objects set state = 'dead', dead_at = ${now}
          where tenant_id = ${tenantId} and object_id = ${objectId} and state = 'writing'`
        return false
      }
      await moveRecords(tx, streamId, segment)
      const bytes = blocks.reduce((sum, { length }) => sum + length, 0)
      await tx.query`update objects set state = 'live', size = ${segment.size}, live_bytes = ${bytes},
        checksum = ${segment.checksum} where tenant_id = ${tenantId} and object_id = ${objectId}`
      const released = records.map((record) => ({ objectId: record.objectId, bytes: record.sealedLength }))
      await releaseBytes(tx, streamId, released, now)
      return true
    })
  }
}

/** How many of some records stand where they stood. */
async function countInPlace(
  tx: TenantTransaction,
  streamId: string,
  records: readonly SingleRecord[],
): Promise<number> {
  const [row] = await tx.query<{ there: number }>`
    select count(*)::integer as there from records r
    join unnest(
      ${arrayLiteral(records.map(({ epoch }) => epoch))}::integer[], ${arrayLiteral(records.map(({ seq }) => seq))}::bigint[],
      ${arrayLiteral(records.map(({ recordId }) => recordId))}::uuid[],
      ${arrayLiteral(records.map(({ objectId }) => objectId))}::uuid[],
      ${arrayLiteral(records.map(({ objectOffset }) => objectOffset))}::bigint[]) as m(epoch, seq, id, old, was)
      on r.epoch = m.epoch and r.seq = m.seq and r.record_id = m.id and r.object_id = m.old and r.object_offset = m.was
    where r.tenant_id = ${tx.tenantId} and r.stream_id = ${streamId} and r.block_id is null`
  return row?.there ?? 0
}

async function moveRecords(
  tx: TenantTransaction,
  streamId: string,
  { objectId, blocks }: BlockSegment,
): Promise<void> {
  const moves = blocks.flatMap((block) => block.records.map(({ epoch, seq }) => ({ block, epoch, seq })))
  await tx.query`
    update records r set object_id = ${objectId}, object_offset = m.at, sealed_length = m.length, block_id = m.block
    from unnest(
      ${arrayLiteral(moves.map(({ epoch }) => epoch))}::integer[], ${arrayLiteral(moves.map(({ seq }) => seq))}::bigint[],
      ${arrayLiteral(moves.map(({ block }) => block.blockId))}::uuid[],
      ${arrayLiteral(moves.map(({ block }) => block.offset))}::bigint[],
      ${arrayLiteral(moves.map(({ block }) => block.length))}::integer[]) as m(epoch, seq, block, at, length)
    where r.tenant_id = ${tx.tenantId} and r.stream_id = ${streamId} and r.epoch = m.epoch and r.seq = m.seq`
}
