import type { TenantScope } from '@agentfs/access'
import { arrayLiteral } from '../array-literal.js'
import type { Database } from '../database.js'
import { isTenantErased } from '../tenant-tombstone.js'
import type { TenantTransaction } from '../transaction.js'

/** A tenant's key-encryption key, wrapped by the KMS. */
export interface LedgerKek {
  readonly kekVersion: number
  readonly wrapped: Uint8Array
  readonly kms: string
  readonly createdAt: Date
}

/** A key of any purpose, wrapped by the tenant's KEK. */
export interface LedgerKey {
  readonly keyId: string
  readonly purpose: string
  readonly agentId: string | null
  readonly nodeId: string | null
  readonly keyVersion: number
  readonly kekVersion: number
  readonly wrapped: Uint8Array
  readonly createdAt: Date
}

/** A deleted key. */
export interface LedgerTombstone {
  readonly keyId: string
  readonly reason: string
  readonly at: Date
  /** Of a tenant's: who erased it, sealed. */
  readonly record: Uint8Array | null
}

/** Key rows as one ledger object holds them. */
export interface KeyLedgerRows {
  readonly keks: readonly LedgerKek[]
  readonly keys: readonly LedgerKey[]
  readonly tombstones: readonly LedgerTombstone[]
}

/** Which of the agents' keys: by id, and all that nodes own (a file's parts may be sealed under several). */
export interface WantedKeys {
  readonly keyIds: readonly string[]
  readonly nodeIds: readonly string[]
  /** The keys of all streams too: an agent that the tenant's stream names must be able to go on after a recovery. */
  readonly streamKeys?: boolean
}

/** A ledger object whose bytes the object store has. */
export interface StoredLedger {
  readonly objectId: string
  readonly size: number
  readonly checksum: Uint8Array
  readonly rows: KeyLedgerRows
  /** Older ledger objects of which it holds everything that is still to be kept. */
  readonly supersedes: readonly string[]
}

/**
 * Key rows, and which of them the key ledger in the object store has. An erased key's row stands empty, and is none; a tenant
 * that was erased has tombstones only.
 */
export class KeyLedgerStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** Rows that the ledger lacks: all of the tenant's own, and of the agents' keys those wanted. */
  async unledgered(
    scope: TenantScope,
    { keyIds, nodeIds, streamKeys = false }: WantedKeys,
  ): Promise<KeyLedgerRows> {
    return this.#database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      const [keks, keys, tombstones] = await Promise.all([
        tx.query<LedgerKek>`select kek_version, wrapped, kms, created_at from tenant_keks
          where tenant_id = ${tenantId} and ledgered_at is null and not exists (
            select from tombstones where tenant_id = ${tenantId} and key_id = ${tenantId}) order by kek_version`,
        // Sub-selects are hashed; an array is compared element by element, for each of thousands of keys.
        tx.query<LedgerKey>`select key_id, purpose, agent_id, node_id, key_version, kek_version, wrapped, created_at
          from content_keys where tenant_id = ${tenantId} and ledgered_at is null and wrapped <> ''
            and not exists (select from tombstones where tenant_id = ${tenantId} and key_id = ${tenantId})
            and (key_id in (select unnest(${arrayLiteral(keyIds)}::uuid[])) or agent_id is null
              or node_id in (select unnest(${arrayLiteral(nodeIds)}::uuid[])) or (${streamKeys} and purpose = 'stream'))
          order by key_id`,
        tx.query<LedgerTombstone>`select key_id, reason, at, record from tombstones
          where tenant_id = ${tenantId} and ledgered_at is null order by key_id`,
      ])
      return { keks, keys, tombstones }
    })
  }

  /** The live pieces of a stream's ledger. Look before reading what they hold: one that goes live afterwards is none of them. */
  async pieces(scope: TenantScope, streamId: string): Promise<string[]> {
    const rows = await this.#database.withTenant(
      scope,
      (tx) => tx.query<{ objectId: string }>`select object_id from objects
        where tenant_id = ${tx.tenantId} and stream_id = ${streamId} and kind = 'keys' and state = 'live'`,
    )
    return rows.map(({ objectId }) => objectId)
  }

  /** The KEKs that every ledger of a tenant holds. */
  async keks(scope: TenantScope): Promise<LedgerKek[]> {
    return this.#database.withTenant(
      scope,
      (tx) => tx.query<LedgerKek>`select kek_version, wrapped, kms, created_at from tenant_keks
        where tenant_id = ${tx.tenantId} and not exists (
          select from tombstones where tenant_id = ${tx.tenantId} and key_id = ${tx.tenantId}) order by kek_version`,
    )
  }

  /** The next of the tenant's tombstones, after an id: each of its ledgers holds all of them. */
  async tombstonesAfter(scope: TenantScope, after: string, limit: number): Promise<LedgerTombstone[]> {
    return this.#database.withTenant(
      scope,
      (tx) => tx.query<LedgerTombstone>`select key_id, reason, at, record from tombstones
        where tenant_id = ${tx.tenantId} and key_id > ${after} order by key_id limit ${limit}`,
    )
  }

  /** The next keys, after an id, that the ledger of one agent (null: the tenant's own) must hold. */
  async keysAfter(
    scope: TenantScope,
    agentId: string | null,
    after: string,
    limit: number,
  ): Promise<LedgerKey[]> {
    return this.#database.withTenant(
      scope,
      (tx) => tx.query<LedgerKey>`
        select key_id, purpose, agent_id, node_id, key_version, kek_version, wrapped, created_at
        from content_keys where tenant_id = ${tx.tenantId} and key_id > ${after} and wrapped <> ''
          and not exists (select from tombstones where tenant_id = ${tx.tenantId} and key_id = ${tx.tenantId})
          and (agent_id = ${agentId} or agent_id is null or (${agentId === null} and purpose = 'stream'))
        order by key_id limit ${limit}`,
    )
  }

  /**
   * Agents' streams (and the tenant's) whose ledger should be rewritten: in many pieces of less than some bytes, or with one
   * that is stale.
   */
  async fragmented(
    scope: TenantScope,
    { objectsMax, smallBytes }: { readonly objectsMax: number; readonly smallBytes: number },
  ): Promise<{ streamId: string; agentId: string | null }[]> {
    return this.#database.withTenant(
      scope,
      (tx) => tx.query`
      select o.stream_id, s.agent_id from objects o
      join streams s on s.tenant_id = o.tenant_id and s.stream_id = o.stream_id
      where o.tenant_id = ${tx.tenantId} and o.kind = 'keys' and o.state = 'live'
      group by o.stream_id, s.agent_id
      having count(*) filter (where o.size < ${smallBytes}) > ${objectsMax} or bool_or(o.stale)`,
    )
  }

  /**
   * Records that a ledger object is in the store: it is live, its keys are ledgered, what it supersedes is dead. False,
   * where the object was given up meanwhile, or holds a key that was erased since it was read: then it is dead. One that
   * holds a key as it was wrapped before is stale from the start.
   */
  async markLedgered(scope: TenantScope, ledger: StoredLedger, now: Date): Promise<boolean> {
    return this.#database
      .withTenant(scope, async (tx) => {
        // All locks in one round trip, keys before objects; all changes in another, with COMMIT behind them.
        const objectIds = arrayLiteral([...ledger.supersedes, ledger.objectId])
        const [seen, objects] = await Promise.all([
          lockKeys(tx, ledger.rows),
          tx.query<{ objectId: string; state: string }>`select object_id, state from objects
            where tenant_id = ${tx.tenantId} and object_id = any (${objectIds}::uuid[]) order by object_id for update`,
        ])
        const own = objects.find(({ objectId }) => objectId === ledger.objectId)
        if (own?.state !== 'writing') throw new GivenUp()
        if (seen.erased) {
          void tx.query`update objects set state = 'dead', dead_at = ${now}
            where tenant_id = ${tx.tenantId} and object_id = ${ledger.objectId}`
          return false
        }
        markKeys(tx, ledger.rows, now)
        void tx.query`update objects set state = 'live', size = ${ledger.size}, live_bytes = ${ledger.size},
          checksum = ${ledger.checksum}, stale = stale or ${seen.rewrapped}
        where tenant_id = ${tx.tenantId} and object_id = ${ledger.objectId}`
        void tx.query`update objects set state = 'dead', dead_at = ${now}, live_bytes = 0
        where tenant_id = ${tx.tenantId} and object_id = any (${arrayLiteral(ledger.supersedes)}::uuid[]) and state = 'live'`
        return true
      })
      .catch((error: unknown) => {
        if (error instanceof GivenUp) return false
        throw error
      })
  }
}

/** Rolls a transaction back. */
class GivenUp extends Error {}

/** Locks the keys of a piece, in order of their ids: packers of two agents both mark the tenant's own keys. */
async function lockKeys(
  tx: TenantTransaction,
  { keys, keks }: KeyLedgerRows,
): Promise<{ erased: boolean; rewrapped: boolean }> {
  const { tenantId } = tx
  const keyIds = arrayLiteral(keys.map(({ keyId }) => keyId))
  const [keyRows, kekRows, erasedTenant] = await Promise.all([
    tx.query<{ keyId: string; wrapped: Uint8Array }>`
      select key_id, wrapped from content_keys where tenant_id = ${tenantId} and key_id = any (${keyIds}::uuid[])
      order by key_id for no key update`,
    tx.query<{ kekVersion: number; wrapped: Uint8Array }>`
      select kek_version, wrapped from tenant_keks where tenant_id = ${tenantId} order by kek_version for no key update`,
    isTenantErased(tx),
  ])
  const now = new Map<string | number, Uint8Array>()
  for (const { keyId, wrapped } of keyRows) now.set(keyId, wrapped)
  for (const { kekVersion, wrapped } of kekRows) now.set(kekVersion, wrapped)
  const standing = [
    ...keys.map(({ keyId, wrapped }) => [now.get(keyId), wrapped] as const),
    ...keks.map(({ kekVersion, wrapped }) => [now.get(kekVersion), wrapped] as const),
  ]
  return {
    erased:
      standing.some(([current]) => current === undefined || current.length === 0) ||
      (erasedTenant && standing.length > 0),
    rewrapped: standing.some(
      ([current, read]) => current !== undefined && !Buffer.from(current).equals(read),
    ),
  }
}

function markKeys(tx: TenantTransaction, rows: KeyLedgerRows, now: Date): void {
  const { tenantId } = tx
  const keyIds = arrayLiteral(rows.keys.map(({ keyId }) => keyId))
  const kekVersions = arrayLiteral(rows.keks.map(({ kekVersion }) => kekVersion))
  const tombstones = arrayLiteral(rows.tombstones.map(({ keyId }) => keyId))
  // One that was wrapped anew meanwhile counts: as it was it opens until the piece, which is stale, is rewritten.
  void tx.query`
    update content_keys k set ledgered_at = ${now}
    from unnest(${keyIds}::uuid[], ${arrayLiteral(rows.keys.map(({ keyVersion }) => keyVersion))}::integer[])
      as seen (key_id, key_version)
    where k.tenant_id = ${tenantId} and k.key_id = seen.key_id and k.key_version = seen.key_version and k.ledgered_at is null`
  void tx.query`update tenant_keks set ledgered_at = ${now}
    where tenant_id = ${tenantId} and kek_version = any (${kekVersions}::integer[]) and ledgered_at is null`
  void tx.query`update tombstones set ledgered_at = ${now}
    where tenant_id = ${tenantId} and key_id = any (${tombstones}::uuid[]) and ledgered_at is null`
}
