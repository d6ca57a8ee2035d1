import type { TenantScope } from '@agentfs/access'
import { arrayLiteral } from '../array-literal.js'
import type { Database } from '../database.js'

/** When an upload is given up. */
export interface UploadCutoffs {
  /** Where no part of the file came since. */
  readonly quietSince: Date
  /** Parts that came before this, whatever came since. */
  readonly oldestSince: Date
}

/** Parts that were uploaded and never named by a push. */
export class AbandonedUploadsStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /**
   * Drops parts that no push has named, of files of which none came for a while, and gives up their objects: a large file may
   * take days to go up. A client that comes back all the same is answered `parts_missing` and uploads again. Returns how many
   * parts went.
   */
  async drop(scope: TenantScope, cutoffs: UploadCutoffs, now: Date): Promise<number> {
    const agents = await this.#database.withTenant(
      scope,
      (tx) => tx.query<{ agentId: string }>`
        select distinct agent_id from parts
        where tenant_id = ${tx.tenantId} and seq is null and created_at < ${cutoffs.quietSince}`,
    )
    let dropped = 0
    for (const { agentId } of agents) dropped += await this.#dropOf(scope, agentId, cutoffs, now)
    await this.#giveUpObjects(scope, cutoffs, now)
    return dropped
  }

  async #dropOf(
    scope: TenantScope,
    agentId: string,
    { quietSince, oldestSince }: UploadCutoffs,
    now: Date,
  ): Promise<number> {
    return this.#database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      // Under the lock of every push: one that names a part now either was first, or finds it missing.
      await tx.query`select from streams where tenant_id = ${tenantId} and stream_id = ${agentId} for update`
      const gone = await tx.query<{ objectId: string | null; stagedBytes: number }>`
        with arriving as (
          select distinct node_id from parts
          where tenant_id = ${tenantId} and agent_id = ${agentId} and seq is null and created_at >= ${quietSince})
        delete from parts
        where tenant_id = ${tenantId} and agent_id = ${agentId} and seq is null and created_at < ${quietSince}
          and (created_at < ${oldestSince} or node_id not in (select node_id from arriving))
        returning object_id, case when sealed is null then 0 else sealed_length end as staged_bytes`
      const objectIds = gone.flatMap(({ objectId }) => (objectId === null ? [] : [objectId]))
      const stagedBytes = gone.reduce((sum, part) => sum + part.stagedBytes, 0)
      await tx.query`update objects set state = 'dead', dead_at = ${now}
        where tenant_id = ${tenantId} and object_id = any (${arrayLiteral(objectIds)}::uuid[]) and state = 'writing'`
      await tx.query`update streams set staged_bytes = greatest(staged_bytes - ${stagedBytes}, 0)
        where tenant_id = ${tenantId} and stream_id = ${agentId}`
      return gone.length
    })
  }

  /** A part's object that no part has a row of: its writer died between the two. */
  async #giveUpObjects(scope: TenantScope, { quietSince }: UploadCutoffs, now: Date): Promise<void> {
    await this.#database.withTenant(
      scope,
      (tx) => tx.query`
        update objects o set state = 'dead', dead_at = ${now}
        where o.tenant_id = ${tx.tenantId} and o.state = 'writing' and o.kind = 'part' and o.created_at < ${quietSince}
          and not exists (select from parts p where p.tenant_id = ${tx.tenantId} and p.agent_id = o.stream_id
            and p.object_id = o.object_id)`,
    )
  }
}
