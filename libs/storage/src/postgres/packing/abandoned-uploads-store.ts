import type { TenantScope } from '@agentfs/access'
import { arrayLiteral } from '../array-literal.js'
import type { Database } from '../database.js'

/** Parts that were uploaded and never named by a push. */
export class AbandonedUploadsStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /**
   * Drops parts uploaded before `createdBefore` that no push has named, and gives up their objects. A client that comes
   * back all the same is answered `parts_missing` and uploads again. Returns how many parts went.
   */
  async drop(scope: TenantScope, createdBefore: Date, now: Date): Promise<number> {
    const agents = await this.#database.withTenant(
      scope,
      (tx) => tx.query<{ agentId: string }>`
        select distinct agent_id from parts
        where tenant_id = ${tx.tenantId} and seq is null and created_at < ${createdBefore}`,
    )
    let dropped = 0
    for (const { agentId } of agents) dropped += await this.#dropOf(scope, agentId, createdBefore, now)
    await this.#giveUpObjects(scope, createdBefore, now)
    return dropped
  }

  async #dropOf(scope: TenantScope, agentId: string, createdBefore: Date, now: Date): Promise<number> {
    return this.#database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      // Under the lock of every push: one that names a part now either was first, or finds it missing.
      await tx.query`select from streams where tenant_id = ${tenantId} and stream_id = ${agentId} for update`
      const gone = await tx.query<{ objectId: string | null; stagedBytes: number }>`
        delete from parts
        where tenant_id = ${tenantId} and agent_id = ${agentId} and seq is null and created_at < ${createdBefore}
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

  /** A part's object that is still `writing` then has no row at all: its writer died between the two. */
  async #giveUpObjects(scope: TenantScope, createdBefore: Date, now: Date): Promise<void> {
    await this.#database.withTenant(
      scope,
      (tx) => tx.query`
        update objects set state = 'dead', dead_at = ${now}
        where tenant_id = ${tx.tenantId} and state = 'writing' and kind = 'part' and created_at < ${createdBefore}`,
    )
  }
}
