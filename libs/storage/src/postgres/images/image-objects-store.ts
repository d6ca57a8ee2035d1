import type { TenantScope } from '@agentfs/access'
import { arrayLiteral } from '../array-literal.js'
import type { Database } from '../database.js'
import type { TenantTransaction } from '../transaction.js'

/** An object of an image that was PUT. */
export interface StoredImageObject {
  readonly objectId: string
  readonly size: number
  readonly checksum: Uint8Array
}

/** Where an agent's stream is, and how far its newest image reaches. */
export interface ImageDue {
  readonly headSeq: number
  readonly imagedSeq: number
}

/** The object rows of tree images. */
export class ImageObjectsStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async due(scope: TenantScope, agentId: string): Promise<ImageDue | undefined> {
    const [row] = await this.#database.withTenant(
      scope,
      (tx) => tx.query<ImageDue>`
        select s.head_seq, coalesce((select max(o.last_seq) from objects o where o.tenant_id = ${tx.tenantId}
          and o.stream_id = ${agentId} and o.kind = 'tree' and o.state = 'live'), 0)::bigint as imaged_seq
        from streams s where s.tenant_id = ${tx.tenantId} and s.stream_id = ${agentId}`,
    )
    return row
  }

  /**
   * Calls all objects of an image live, and those of all but the newest two dead; false, and nothing of the kind, where one of
   * them was given up meanwhile.
   */
  async publish(
    scope: TenantScope,
    agentId: string,
    objects: readonly StoredImageObject[],
    now: Date,
  ): Promise<boolean> {
    return this.#database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      const ids = arrayLiteral(objects.map(({ objectId }) => objectId))
      const live = await tx.query`
        update objects o set state = 'live', size = i.size, live_bytes = i.size, checksum = i.checksum
        from unnest(${ids}::uuid[], ${arrayLiteral(objects.map(({ size }) => size))}::bigint[],
          ${arrayLiteral(objects.map(({ checksum }) => checksum))}::bytea[]) as i(id, size, checksum)
        where o.tenant_id = ${tenantId} and o.object_id = i.id and o.state = 'writing'
        returning o.object_id`
      if (live.length !== objects.length) {
        await tx.query`update objects set state = 'dead', dead_at = ${now}, live_bytes = 0 where tenant_id = ${tenantId}
          and object_id = any (${ids}::uuid[]) and state in ('writing', 'live')`
        return false
      }
      await tx.query`
        update objects set state = 'dead', dead_at = ${now}, live_bytes = 0
        where tenant_id = ${tenantId} and stream_id = ${agentId} and kind = 'tree' and state = 'live'
          and left(split_part(object_key, '/tree/', 2), 36) not in (
            select distinct left(split_part(object_key, '/tree/', 2), 36) as image from objects
            where tenant_id = ${tenantId} and stream_id = ${agentId} and kind = 'tree' and state = 'live'
            order by image desc limit 2)`
      return true
    })
  }
}

/** Segments of an agent's stream whose places its rows have: what is in none of these was stored, or moved, later. */
export async function knownSegmentIds(tx: TenantTransaction, streamId: string): Promise<string[]> {
  const rows = await tx.query<{ objectId: string }>`
    select object_id from objects where tenant_id = ${tx.tenantId} and stream_id = ${streamId} and kind = 'segment'
      and state in ('live', 'dead') order by object_id`
  return rows.map(({ objectId }) => objectId)
}
