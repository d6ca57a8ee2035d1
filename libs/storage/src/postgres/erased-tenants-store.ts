import type { TenantScope } from '@agentfs/access'
import type { Database } from './database.js'
import { findTenantTombstone, isTenantErased, type TenantTombstone } from './tenant-tombstone.js'
import type { TenantTransaction } from './transaction.js'

/** Deletes some rows of a table, at most `limit`; gives how many. */
type Deletion = (tx: TenantTransaction, limit: number) => Promise<unknown[]>

/** Tables of what an agent holds; each before those that it points at. */
const CONTENTS: readonly Deletion[] = [
  (tx, limit) =>
    tx.query`delete from entries where tenant_id = ${tx.tenantId} and ctid in (
      select ctid from entries where tenant_id = ${tx.tenantId} limit ${limit}) returning 1 as one`,
  (tx, limit) =>
    tx.query`delete from aliases where tenant_id = ${tx.tenantId} and ctid in (
      select ctid from aliases where tenant_id = ${tx.tenantId} limit ${limit}) returning 1 as one`,
  (tx, limit) =>
    tx.query`delete from versions where tenant_id = ${tx.tenantId} and ctid in (
      select ctid from versions where tenant_id = ${tx.tenantId} limit ${limit}) returning 1 as one`,
  (tx, limit) =>
    tx.query`delete from parts where tenant_id = ${tx.tenantId} and ctid in (
      select ctid from parts where tenant_id = ${tx.tenantId} limit ${limit}) returning 1 as one`,
  (tx, limit) =>
    tx.query`delete from nodes where tenant_id = ${tx.tenantId} and ctid in (
      select ctid from nodes where tenant_id = ${tx.tenantId} limit ${limit}) returning 1 as one`,
  (tx, limit) =>
    tx.query`delete from store_pushes where tenant_id = ${tx.tenantId} and ctid in (
      select ctid from store_pushes where tenant_id = ${tx.tenantId} limit ${limit}) returning 1 as one`,
  (tx, limit) =>
    tx.query`delete from stores where tenant_id = ${tx.tenantId} and ctid in (
      select ctid from stores where tenant_id = ${tx.tenantId} limit ${limit}) returning 1 as one`,
  (tx, limit) =>
    tx.query`delete from idempotency_keys where tenant_id = ${tx.tenantId} and ctid in (
      select ctid from idempotency_keys where tenant_id = ${tx.tenantId} limit ${limit}) returning 1 as one`,
  (tx, limit) =>
    tx.query`delete from audit_events where tenant_id = ${tx.tenantId} and ctid in (
      select ctid from audit_events where tenant_id = ${tx.tenantId} limit ${limit}) returning 1 as one`,
  (tx, limit) =>
    tx.query`delete from records where tenant_id = ${tx.tenantId} and ctid in (
      select ctid from records where tenant_id = ${tx.tenantId} limit ${limit}) returning 1 as one`,
  (tx, limit) =>
    tx.query`delete from content_keys where tenant_id = ${tx.tenantId} and ctid in (
      select ctid from content_keys where tenant_id = ${tx.tenantId} limit ${limit}) returning 1 as one`,
  (tx, limit) =>
    tx.query`delete from tombstones where tenant_id = ${tx.tenantId} and key_id <> ${tx.tenantId} and ctid in (
      select ctid from tombstones where tenant_id = ${tx.tenantId} and key_id <> ${tx.tenantId} limit ${limit})
      returning 1 as one`,
]

/** What is left of erased tenants: rows and objects that nothing opens any more. Every step may be repeated. */
export class ErasedTenantsStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** The tombstone of a tenant; undefined where it was not erased. */
  async tombstone(scope: TenantScope): Promise<TenantTombstone | undefined> {
    return this.#database.readTenant(scope, (tx) => findTenantTombstone(tx))
  }

  /** Whether documents of its mirrors are left. */
  async hasMirrors(scope: TenantScope): Promise<boolean> {
    return this.#database.readTenant(scope, hasMirrors)
  }

  /** Deletes some rows of what the tenant held, at most `limit`; gives how many, 0 where nothing is left. */
  async deleteSomeRows(scope: TenantScope, limit: number): Promise<number> {
    for (const deletion of CONTENTS) {
      const deleted = await this.#ofErased(scope, async (tx) => (await deletion(tx, limit)).length)
      if (deleted > 0) return deleted
    }
    return 0
  }

  /**
   * Deletes agents and streams, once no mirror has documents left; the tenant's own stream stays, by which sweeps find the
   * tenant. False where mirrors are not done.
   */
  async deleteAgents(scope: TenantScope): Promise<boolean> {
    const done = await this.#ofErased(scope, async (tx) => {
      const { tenantId } = tx
      if (await hasMirrors(tx)) return 0
      await tx.query`delete from mirrors where tenant_id = ${tenantId}`
      await tx.query`delete from followers where tenant_id = ${tenantId} and stream_id <> ${tenantId}`
      await tx.query`delete from streams where tenant_id = ${tenantId} and stream_id <> ${tenantId}`
      await tx.query`delete from agents where tenant_id = ${tenantId}`
      return 1
    })
    return done === 1
  }

  /** Marks objects dead, but for the pieces of the key ledger that were written since the erasure; gives how many. */
  async killObjects(scope: TenantScope, limit: number, now: Date): Promise<number> {
    return this.#ofErased(scope, async (tx) => {
      const { tenantId } = tx
      const killed = await tx.query`
        with due as (
          select object_id from objects where tenant_id = ${tenantId} and state in ('writing', 'live')
            and (kind <> 'keys' or stale) order by object_id limit ${limit} for update)
        update objects o set state = 'dead', dead_at = ${now}, live_bytes = 0 from due
        where o.tenant_id = ${tenantId} and o.object_id = due.object_id returning o.object_id`
      return killed.length
    })
  }

  /** Nothing here may ever touch a tenant that lives: each transaction looks again. */
  async #ofErased(scope: TenantScope, work: (tx: TenantTransaction) => Promise<number>): Promise<number> {
    return this.#database.withTenant(scope, async (tx) => ((await isTenantErased(tx)) ? work(tx) : 0))
  }
}

async function hasMirrors(tx: TenantTransaction): Promise<boolean> {
  const { tenantId } = tx
  const rows = await tx.query`
    select 1 as one from mirrors where tenant_id = ${tenantId} and state <> 'off'
    union all select 1 from mirror_documents where tenant_id = ${tenantId} limit 1`
  return rows.length > 0
}
