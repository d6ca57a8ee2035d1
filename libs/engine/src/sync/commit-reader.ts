import type { TenantScope } from '@agentfs/access'
import type { CommitFrame, StreamRecord } from '@agentfs/contracts'
import { openObject } from '@agentfs/crypto'
import { type Database, findStream, recordsAfter } from '@agentfs/storage'
import type { KeyVault } from '../keys/key-vault.js'
import type { SealedBytes } from '../reads/sealed-bytes.js'

/** Reads commits back out of an agent's sealed records, staged or stored. */
export class CommitReader {
  readonly #database: Database
  readonly #vault: KeyVault
  readonly #sealed: SealedBytes

  constructor(database: Database, vault: KeyVault, sealed: SealedBytes) {
    this.#database = database
    this.#vault = vault
    this.#sealed = sealed
  }

  /** Commits of one epoch after a seq, in order, without gaps. */
  async after(
    scope: TenantScope,
    agentId: string,
    epoch: number,
    since: number,
    limit: number,
  ): Promise<CommitFrame[]> {
    const { rows, key } = await this.#database.withTenant(scope, async (tx) => {
      const [stream, found] = await Promise.all([
        findStream(tx, agentId),
        recordsAfter(tx, agentId, epoch, since, limit),
      ])
      const keys = stream === undefined ? undefined : await this.#vault.load(tx, [stream.keyId])
      return { rows: found, key: stream === undefined ? undefined : keys?.get(stream.keyId) }
    })
    if (key === undefined) return []
    return await Promise.all(
      rows.map(async (row) => {
        const sealed = await this.#sealed.get(scope, row.recordId, row)
        const binding = { kind: 'record', tenantId: scope.tenantId, objectId: row.recordId, ...key } as const
        return frameOf(openObject(binding, sealed))
      }),
    )
  }
}

function frameOf(plain: Uint8Array): CommitFrame {
  // Authenticated bytes that this service sealed from a typed record: their shape needs no second check.
  const record = JSON.parse(Buffer.from(plain).toString('utf8')) as StreamRecord
  return {
    epoch: record.epoch,
    seq: record.seq,
    at: record.at,
    delta: record.delta ?? { nodes: [], entries: [], aliases: [], versions: [] },
    ...(record.push === undefined ? {} : { store: record.push.store, pushNumber: record.push.number }),
  }
}
