import type { TenantScope } from '@agentfs/access'
import { AgentfsError, type StreamRecord } from '@agentfs/contracts'
import { openObject, openRecordBlock } from '@agentfs/crypto'
import { type Database, findStream, type RecordRow, recordsAfter } from '@agentfs/storage'
import type { KeyVault, UsableKey } from '../keys/key-vault.js'
import type { SealedBytes } from '../reads/sealed-bytes.js'

/** Opens the sealed records of a stream: staged, stored by themselves, or in blocks. */
export class RecordReader {
  readonly #database: Database
  readonly #vault: KeyVault
  readonly #sealed: SealedBytes

  constructor(database: Database, vault: KeyVault, sealed: SealedBytes) {
    this.#database = database
    this.#vault = vault
    this.#sealed = sealed
  }

  /** Records of one epoch after a seq, in order, without gaps; none where the stream or its key is gone. */
  async after(
    scope: TenantScope,
    streamId: string,
    epoch: number,
    since: number,
    limit: number,
  ): Promise<StreamRecord[]> {
    const { rows, key } = await this.#database.withTenant(scope, async (tx) => {
      const [stream, found] = await Promise.all([
        findStream(tx, streamId),
        recordsAfter(tx, streamId, epoch, since, limit),
      ])
      const keys = stream === undefined ? undefined : await this.#vault.load(tx, [stream.keyId])
      return { rows: found, key: stream === undefined ? undefined : keys?.get(stream.keyId) }
    })
    if (key === undefined) return []
    const blocks = new Map<string, Promise<ReadonlyMap<string, Uint8Array>>>()
    return await Promise.all(
      rows.map(async (row) => {
        const plain = await this.#plain(scope, row, key, blocks)
        // Authenticated bytes that this service sealed from a typed record: their shape needs no second check.
        return JSON.parse(Buffer.from(plain).toString('utf8')) as StreamRecord
      }),
    )
  }

  /** A record's text; a block is opened once for all its records in `blocks`. */
  async #plain(
    scope: TenantScope,
    row: RecordRow,
    key: UsableKey,
    blocks: Map<string, Promise<ReadonlyMap<string, Uint8Array>>>,
  ): Promise<Uint8Array> {
    const { tenantId } = scope
    const { recordId, blockId } = row
    if (blockId === null) {
      const binding = { kind: 'record', tenantId, objectId: recordId, ...key } as const
      return this.#sealed.open(scope, recordId, row, (sealed) => openObject(binding, sealed))
    }
    const opening =
      blocks.get(blockId) ??
      this.#sealed.open(scope, blockId, row, (sealed) => {
        const records = openRecordBlock({ tenantId, ...key }, blockId, sealed)
        return new Map(records.map((record) => [record.recordId, record.text]))
      })
    blocks.set(blockId, opening)
    const text = (await opening).get(recordId)
    if (text === undefined) {
      throw new AgentfsError('object_corrupt', {
        objectId: blockId,
        reason: `record ${recordId} is not in it`,
      })
    }
    return text
  }
}
