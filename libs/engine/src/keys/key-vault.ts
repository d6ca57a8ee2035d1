import { mintTenantScope, type TenantScope } from '@agentfs/access'
import { AgentfsError, uuidv7 } from '@agentfs/contracts'
import { KeyRing, type SealingKey, type WrappedKek } from '@agentfs/crypto'
import {
  type Database,
  findKek,
  findKeys,
  type KeyPurpose,
  type KeyRow,
  type NewKeyRow,
  type TenantTransaction,
} from '@agentfs/storage'
import type { TenantResources } from '../ports.js'
import { RecentMap } from '../reads/recent-map.js'

const STREAM_KEY_TTL_MS = 5_000

/** A key ready for use, with the row it came from. */
export interface UsableKey extends SealingKey {
  readonly keyId: string
}

/** A key just made: usable now, its row to be committed beside what it seals. */
export interface NewKey extends UsableKey {
  readonly row: NewKeyRow
}

/** The unwrapped keys of this process, by tenant. */
export class KeyVault {
  readonly #database: Database
  readonly #ring: KeyRing
  /** KEKs of tenants that are being made: their rows are not committed yet. */
  readonly #unborn = new Map<string, WrappedKek>()
  readonly #streamKeys = new RecentMap<{ row: KeyRow; readAtMs: number }>(10_000)

  constructor(database: Database, resources: TenantResources, leaseMs?: number) {
    this.#database = database
    this.#ring = new KeyRing({
      kmsFor: async (tenantId) => (await resources.resolve(mintTenantScope(tenantId))).kms,
      loadKek: (tenantId, kekVersion) => this.#loadKek(tenantId, kekVersion),
      ...(leaseMs === undefined ? {} : { leaseMs }),
    })
  }

  /** Makes the first KEK of a new tenant and hands it out to `work`, which commits it. */
  async withNewTenant<T>(scope: TenantScope, work: (kek: WrappedKek) => Promise<T>): Promise<T> {
    const kek = await this.#ring.newKek(scope.tenantId, 1)
    this.#unborn.set(scope.tenantId, kek)
    try {
      return await work(kek)
    } finally {
      this.#unborn.delete(scope.tenantId)
    }
  }

  /** Makes a key under the tenant's current KEK. */
  async newKey(
    scope: TenantScope,
    purpose: KeyPurpose,
    owner: { readonly agentId?: string; readonly nodeId?: string } = {},
  ): Promise<NewKey> {
    const keyId = uuidv7()
    const { key, row } = await this.#ring.newContentKey(scope.tenantId, keyId)
    const kekVersion = new DataView(row.wrapped.buffer, row.wrapped.byteOffset).getUint32(1)
    return {
      keyId,
      keyVersion: row.keyVersion,
      key,
      row: {
        keyId,
        keyVersion: row.keyVersion,
        wrapped: row.wrapped,
        purpose,
        agentId: owner.agentId ?? null,
        nodeId: owner.nodeId ?? null,
        kekVersion,
      },
    }
  }

  /** The keys in rows that were just read: reading them first is what keeps an erased key from opening anything. */
  async unwrap(scope: TenantScope, rows: readonly KeyRow[]): Promise<Map<string, UsableKey>> {
    const { tenantId } = scope
    const keys = new Map<string, UsableKey>()
    for (const { keyId, keyVersion, wrapped } of rows) {
      const key =
        this.#ring.cachedContentKey({ tenantId, keyId, keyVersion }) ??
        (await this.#ring.unwrapContentKey({ tenantId, keyId, keyVersion, wrapped }))
      keys.set(keyId, { keyId, keyVersion, key })
    }
    return keys
  }

  /** Reads key rows within a transaction and unwraps them; those erased are left out. */
  async load(tx: TenantTransaction, keyIds: readonly string[]): Promise<Map<string, UsableKey>> {
    if (keyIds.length === 0) return new Map()
    return this.unwrapIn(tx, await findKeys(tx, keyIds))
  }

  /**
   * The keys in rows that a transaction has read; it reads the KEKs that are missing too. Were they read on another connection,
   * transactions that have all of them between them would wait for one another for ever.
   */
  async unwrapIn(tx: TenantTransaction, rows: readonly KeyRow[]): Promise<Map<string, UsableKey>> {
    const { tenantId } = tx
    const keys = new Map<string, UsableKey>()
    for (const { keyId, keyVersion, wrapped } of rows) {
      const row = { tenantId, keyId, keyVersion, wrapped }
      const kekVersion = this.#ring.kekNeededFor(row)
      const kek = kekVersion === undefined ? undefined : await this.#kekIn(tx, kekVersion)
      keys.set(keyId, { keyId, keyVersion, key: await this.#ring.unwrapContentKey(row, kek) })
    }
    return keys
  }

  /** The key that seals an agent's records. It dies with the tenant only, so its row is believed for a few seconds. */
  async streamKey(scope: TenantScope, keyId: string): Promise<UsableKey> {
    const nowMs = performance.now()
    const known = this.#streamKeys.get(keyId)
    if (known !== undefined && nowMs - known.readAtMs < STREAM_KEY_TTL_MS) {
      const [key] = (await this.unwrap(scope, [known.row])).values()
      if (key !== undefined) return key
    }
    const [row] = await this.#database.readTenant(scope, (tx) => findKeys(tx, [keyId]))
    const [key] = (await this.unwrap(scope, row === undefined ? [] : [row])).values()
    if (row === undefined || key === undefined) {
      throw new AgentfsError('not_found', { detail: 'the agent is gone' })
    }
    this.#streamKeys.set(keyId, { row, readAtMs: nowMs })
    return key
  }

  /** Forgets erased keys. */
  forget(scope: TenantScope, keyIds: readonly string[]): void {
    for (const keyId of keyIds) this.#ring.forget(scope.tenantId, keyId)
  }

  /** Forgets all that this process holds of a tenant. */
  forgetTenant({ tenantId }: TenantScope): void {
    this.#ring.forget(tenantId)
  }

  async #loadKek(tenantId: string, kekVersion: number | 'current'): Promise<WrappedKek> {
    // Without a transaction: the row of a tenant that is being made is not committed yet.
    const unborn = this.#unborn.get(tenantId)
    if (unborn !== undefined) return unborn
    return this.#database.readTenant(mintTenantScope(tenantId), (tx) => this.#kekIn(tx, kekVersion))
  }

  async #kekIn(tx: TenantTransaction, kekVersion: number | 'current'): Promise<WrappedKek> {
    const { tenantId } = tx
    const unborn = this.#unborn.get(tenantId)
    if (unborn !== undefined) return unborn
    const row = await findKek(tx, kekVersion)
    if (row === undefined) throw new AgentfsError('not_found', { detail: 'the tenant is gone' })
    return { tenantId, kekVersion: row.kekVersion, wrapped: row.wrapped }
  }
}
