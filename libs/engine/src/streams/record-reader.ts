import type { TenantScope } from '@agentfs/access'
import type { StreamRecord } from '@agentfs/contracts'
import { openObject } from '@agentfs/crypto'
import { type Database, findStream, recordsAfter } from '@agentfs/storage'
import type { KeyVault } from '../keys/key-vault.js'
import type { SealedBytes } from '../reads/sealed-bytes.js'

/** Opens the sealed records of a stream, staged or stored. */
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
    return await Promise.all(
      rows.map(async (row) => {
        const binding = { kind: 'record', tenantId: scope.tenantId, objectId: row.recordId, ...key } as const
        const plain = await this.#sealed.open(scope, row.recordId, row, (sealed) =>
          openObject(binding, sealed),
        )
        // Authenticated bytes that this service sealed from a typed record: their shape needs no second check.
        return JSON.parse(plain.toString('utf8')) as StreamRecord
      }),
    )
  }
}
