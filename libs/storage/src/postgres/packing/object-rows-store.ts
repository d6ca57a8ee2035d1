import type { TenantScope } from '@agentfs/access'
import { arrayLiteral } from '../array-literal.js'
import type { Database } from '../database.js'
import type { TenantTransaction } from '../transaction.js'

/** An object about to be written. */
export interface NewObject {
  readonly objectId: string
  readonly streamId: string
  readonly kind: 'segment' | 'part' | 'keys' | 'tree' | 'prefixes'
  readonly objectKey: string
  readonly epoch: number
  readonly firstSeq: number
  readonly lastSeq: number
}

/** An object that nothing points at any more. */
export interface DeadObject {
  readonly objectId: string
  readonly objectKey: string
}

/** The rows of stored objects: writing, live, dead, gone, in that order. */
export class ObjectRowsStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** Commits the rows of objects to be written; only then may they be PUT. */
  async insertWriting(scope: TenantScope, objects: readonly NewObject[], now: Date): Promise<void> {
    // COMMIT travels behind the rows: whoever flushes waits for this round trip before the PUT can begin.
    const inserted = (tx: TenantTransaction): Promise<unknown> =>
      Promise.all(
        objects.map(
          (object) => tx.query`
        insert into objects (tenant_id, object_id, stream_id, kind, object_key, state, epoch, first_seq, last_seq, created_at)
        values (${tx.tenantId}, ${object.objectId}, ${object.streamId}, ${object.kind}, ${object.objectKey}, 'writing',
          ${object.epoch}, ${object.firstSeq}, ${object.lastSeq}, ${now})`,
        ),
      )
    await this.#database.withTenant(scope, inserted, true)
  }

  /** Gives up objects that are still `writing`. */
  async giveUp(scope: TenantScope, objectIds: readonly string[], now: Date): Promise<void> {
    await this.#database.withTenant(
      scope,
      (tx) => tx.query`
      update objects set state = 'dead', dead_at = ${now}
      where tenant_id = ${tx.tenantId} and object_id = any (${arrayLiteral(objectIds)}::uuid[]) and state = 'writing'`,
    )
  }

  /** Gives up what its writer left `writing` since before `createdBefore`; a writer that lives on finds it dead and loses. */
  async giveUpAbandoned(scope: TenantScope, createdBefore: Date, now: Date): Promise<number> {
    const rows = await this.#database.withTenant(
      scope,
      (tx) => tx.query`
      update objects set state = 'dead', dead_at = ${now}
      where tenant_id = ${tx.tenantId} and state = 'writing' and kind <> 'part' and created_at < ${createdBefore}
      returning object_id`,
    )
    return rows.length
  }

  /** What `giveUpAbandoned` and the deletion of dead objects would do. */
  async countDue(
    scope: TenantScope,
    writingBefore: Date,
    deadBefore: Date,
  ): Promise<{ givenUp: number; deleted: number }> {
    const [row] = await this.#database.withTenant(
      scope,
      (tx) => tx.query<{ givenUp: number; deleted: number }>`
        select count(*) filter (where state = 'writing' and kind <> 'part' and created_at < ${writingBefore})::integer as given_up,
          count(*) filter (where state = 'dead' and dead_at < ${deadBefore})::integer as deleted
        from objects where tenant_id = ${tx.tenantId} and state in ('writing', 'dead')`,
    )
    return row ?? { givenUp: 0, deleted: 0 }
  }

  /** Gives an object that no row knows a row of its own, dead already. */
  async insertDead(
    scope: TenantScope,
    object: Pick<NewObject, 'objectId' | 'kind' | 'objectKey'> & { readonly size: number },
    now: Date,
  ): Promise<void> {
    await this.#database.withTenant(
      scope,
      (tx) => tx.query`
      insert into objects (tenant_id, object_id, kind, object_key, state, size, created_at, dead_at)
      values (${tx.tenantId}, ${object.objectId}, ${object.kind}, ${object.objectKey}, 'dead', ${object.size}, ${now}, ${now})
      on conflict (tenant_id, object_id) do nothing`,
    )
  }

  /** Objects that are dead since before `deadBefore`, but for some. */
  async deadSince(
    scope: TenantScope,
    deadBefore: Date,
    limit: number,
    butIds: readonly string[],
  ): Promise<DeadObject[]> {
    return this.#database.withTenant(
      scope,
      (tx) => tx.query<DeadObject>`
      select object_id, object_key from objects
      where tenant_id = ${tx.tenantId} and state = 'dead' and dead_at < ${deadBefore}
        and object_id <> all (${arrayLiteral(butIds)}::uuid[])
      order by dead_at limit ${limit}`,
    )
  }

  /** Records that dead objects are deleted. */
  async markGone(scope: TenantScope, objectIds: readonly string[]): Promise<void> {
    await this.#database.withTenant(
      scope,
      (tx) => tx.query`
      update objects set state = 'gone'
      where tenant_id = ${tx.tenantId} and object_id = any (${arrayLiteral(objectIds)}::uuid[]) and state = 'dead'`,
    )
  }

  /** Forgets objects that are gone, and were dead since before `deadBefore`. */
  async forgetGone(scope: TenantScope, deadBefore: Date): Promise<void> {
    await this.#database.withTenant(
      scope,
      (tx) => tx.query`
      delete from objects where tenant_id = ${tx.tenantId} and state = 'gone' and dead_at < ${deadBefore}`,
    )
  }
}
