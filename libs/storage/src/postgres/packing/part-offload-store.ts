import type { TenantScope } from '@agentfs/access'
import type { Database } from '../database.js'
import type { PackableStream } from './packing-rows.js'

/** A staged part that gets an object of its own. */
export interface LargePart {
  readonly partId: string
  readonly seq: number
  readonly sealedLength: number
}

/** A part whose bytes the object store has. */
export interface StoredPart {
  readonly objectId: string
  readonly checksum: Uint8Array
  readonly part: LargePart
}

/** Parts that leave Postgres one by one, where a commit holds too many for one segment. */
export class PartOffloadStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** Staged parts of one commit of at least `bytesMin` sealed bytes. */
  async largeParts(
    scope: TenantScope,
    agentId: string,
    epoch: number,
    seq: number,
    bytesMin: number,
  ): Promise<LargePart[]> {
    return this.#database.withTenant(
      scope,
      (tx) => tx.query<LargePart>`
      select part_id, seq, sealed_length from parts
      where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and epoch = ${epoch} and seq = ${seq}
        and sealed is not null and sealed_length >= ${bytesMin} order by part_id`,
    )
  }

  /** The sealed bytes of a staged part; undefined where it is gone or stored by now. */
  async sealedPart(scope: TenantScope, agentId: string, partId: string): Promise<Uint8Array | undefined> {
    const [row] = await this.#database.withTenant(
      scope,
      (tx) => tx.query<{ sealed: Uint8Array }>`
      select sealed from parts
      where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and part_id = ${partId} and sealed is not null`,
    )
    return row?.sealed
  }

  /** Points a part at its object and drops its staged bytes; where either changed meanwhile, the object is dead. */
  async switchToObject(
    scope: TenantScope,
    stream: PackableStream,
    stored: StoredPart,
    now: Date,
  ): Promise<void> {
    const { objectId, part } = stored
    await this.#database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      // The stream first, as every commit does.
      await tx.query`select from streams where tenant_id = ${tenantId} and stream_id = ${stream.streamId} for update`
      const [object] = await tx.query<{ state: string }>`select state from objects
        where tenant_id = ${tenantId} and object_id = ${objectId} for update`
      const moved =
        object?.state === 'writing'
          ? await tx.query`update parts set sealed = null, object_id = ${objectId}, object_offset = 0
              where tenant_id = ${tenantId} and agent_id = ${stream.agentId} and part_id = ${part.partId}
                and seq = ${part.seq} and sealed is not null returning part_id`
          : []
      if (moved.length === 0) {
        await tx.query`update objects set state = 'dead', dead_at = ${now}
          where tenant_id = ${tenantId} and object_id = ${objectId} and state = 'writing'`
        return
      }
      await tx.query`update objects set state = 'live', size = ${part.sealedLength}, live_bytes = ${part.sealedLength},
          checksum = ${stored.checksum} where tenant_id = ${tenantId} and object_id = ${objectId}`
      await tx.query`update streams set staged_bytes = greatest(staged_bytes - ${part.sealedLength}, 0)
        where tenant_id = ${tenantId} and stream_id = ${stream.streamId}`
    })
  }
}
