import type { TenantScope } from '@agentfs/access'
import { arrayLiteral } from './array-literal.js'
import type { Database } from './database.js'
import { isUniqueViolation } from './database-errors.js'
import { staleAllLedgers, staleLedgers } from './keys-store.js'

/** A key-encryption key's row. */
export interface RotatedKek {
  readonly kekVersion: number
  readonly wrapped: Uint8Array
  readonly createdAt: Date
}

/** A key as it was wrapped, and as it is to be. */
export interface RewrappedKey {
  readonly keyId: string
  readonly before: Uint8Array
  readonly wrapped: Uint8Array
  readonly kekVersion: number
}

/** A key to be wrapped anew. */
export interface KeyToRewrap {
  readonly keyId: string
  readonly keyVersion: number
  readonly wrapped: Uint8Array
}

/** Key rows as rotation changes them. Each step is one transaction and may be repeated, or run twice at once. */
export class KeyRotationStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** The tenant's key-encryption keys, oldest first. */
  async keks(scope: TenantScope): Promise<RotatedKek[]> {
    return this.#database.withTenant(
      scope,
      (tx) => tx.query<RotatedKek>`
        select kek_version, wrapped, created_at from tenant_keks where tenant_id = ${tx.tenantId} order by kek_version`,
    )
  }

  /** Adds a version, which wraps from now on; false where another rotation was first. */
  async addKek(
    scope: TenantScope,
    kek: { readonly kekVersion: number; readonly wrapped: Uint8Array },
    kms: string,
    at: Date,
  ): Promise<boolean> {
    try {
      await this.#database.withTenant(
        scope,
        (tx) => tx.query`
          insert into tenant_keks (tenant_id, kek_version, wrapped, kms, created_at)
          values (${tx.tenantId}, ${kek.kekVersion}, ${kek.wrapped}, ${kms}, ${at})`,
      )
      return true
    } catch (error) {
      if (isUniqueViolation(error)) return false
      throw error
    }
  }

  /** Keys that an older version than `kekVersion` wraps, erased ones left out. */
  async olderThan(scope: TenantScope, kekVersion: number, limit: number): Promise<KeyToRewrap[]> {
    return this.#database.withTenant(
      scope,
      (tx) => tx.query<KeyToRewrap>`
        select key_id, key_version, wrapped from content_keys
        where tenant_id = ${tx.tenantId} and kek_version < ${kekVersion} and wrapped <> '' order by key_id limit ${limit}`,
    )
  }

  /** How many those are. */
  async countOlderThan(scope: TenantScope, kekVersion: number): Promise<number> {
    const [row] = await this.#database.withTenant(
      scope,
      (tx) => tx.query<{ count: number }>`
        select count(*)::integer as count from content_keys
        where tenant_id = ${tx.tenantId} and kek_version < ${kekVersion} and wrapped <> ''`,
    )
    return row?.count ?? 0
  }

  /**
   * Puts keys in as they are wrapped now, those that are still as they were: one erased or rotated meanwhile stays as it is.
   * The pieces of the ledger that hold them as they were are stale. They stay ledgered: the older copy opens until then.
   */
  async rewrap(scope: TenantScope, keys: readonly RewrappedKey[]): Promise<number> {
    return this.#database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      const ids = arrayLiteral(keys.map(({ keyId }) => keyId))
      await tx.query`select from content_keys where tenant_id = ${tenantId} and key_id = any (${ids}::uuid[])
        order by key_id for no key update`
      const done = await tx.query<{ keyId: string }>`
        update content_keys k set wrapped = n.wrapped, kek_version = n.kek_version
        from unnest(${ids}::uuid[], ${arrayLiteral(keys.map(({ before }) => before))}::bytea[],
          ${arrayLiteral(keys.map(({ wrapped }) => wrapped))}::bytea[],
          ${arrayLiteral(keys.map(({ kekVersion }) => kekVersion))}::integer[]) as n (key_id, before, wrapped, kek_version)
        where k.tenant_id = ${tenantId} and k.key_id = n.key_id and k.wrapped = n.before
        returning k.key_id`
      if (done.length > 0)
        await staleLedgers(
          tx,
          done.map(({ keyId }) => keyId),
        )
      return done.length
    })
  }

  /** Puts a key-encryption key in as the KMS wraps it now; false where it changed meanwhile. All of the ledger is stale then. */
  async rewrapKek(
    scope: TenantScope,
    { kekVersion, wrapped: before }: RotatedKek,
    wrapped: Uint8Array,
  ): Promise<boolean> {
    return this.#database.withTenant(scope, async (tx) => {
      const done = await tx.query`
        update tenant_keks set wrapped = ${wrapped}
        where tenant_id = ${tx.tenantId} and kek_version = ${kekVersion} and wrapped = ${before} returning kek_version`
      if (done.length > 0) await staleAllLedgers(tx)
      return done.length > 0
    })
  }

  /**
   * Deletes key-encryption keys that are older than one made before `supersededBefore`, wrap no key, and that no piece of the
   * ledger counts on: none is stale, and what is in none is wrapped by a newer one. Gives their versions.
   */
  async retireKeks(scope: TenantScope, supersededBefore: Date): Promise<number[]> {
    return this.#database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      const gone = await tx.query<{ kekVersion: number }>`
        delete from tenant_keks t where t.tenant_id = ${tenantId}
          and t.kek_version < (select max(n.kek_version) from tenant_keks n
            where n.tenant_id = ${tenantId} and n.created_at < ${supersededBefore})
          and not exists (select from content_keys k
            where k.tenant_id = ${tenantId} and k.kek_version = t.kek_version and k.wrapped <> '')
          and not exists (select from objects o
            where o.tenant_id = ${tenantId} and o.kind = 'keys' and o.state in ('writing', 'live') and o.stale)
        returning t.kek_version`
      if (gone.length > 0) await staleAllLedgers(tx)
      return gone.map(({ kekVersion }) => kekVersion)
    })
  }
}
