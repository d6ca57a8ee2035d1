import { mintTenantScope, type TenantScope } from '@agentfs/access'
import { KeyRing, type WrappedKek } from '@agentfs/crypto'
import { type Database, findKek, type KeyToRewrap, KeyRotationStore } from '@agentfs/storage'
import { type FollowerOptions, SYSTEM_CLOCK } from '../followers/follower-options.js'
import { KeyLedger } from '../followers/key-ledger.js'
import type { Clock, TenantResources } from '../ports.js'

const BATCH = 500
/** Processes wrap under a KEK for five minutes after it was superseded; what they commit then may take its time. */
const RETIRE_MS = 24 * 3_600_000

/** What is left to do of a rotation. */
export interface RotationState {
  readonly kekVersion: number
  /** Keys that an older version wraps. */
  readonly keysLeft: number
}

/**
 * Rotates a tenant's key-encryption key, and the root key above it [ENC-4]. No object of contents is written: the keys inside
 * stay as they are, only what wraps them changes, in Postgres and then in the key ledger. Every step may be killed, repeated
 * and run twice at once, beside commits that add keys.
 */
export class KeyRotation {
  readonly #store: KeyRotationStore
  readonly #ledger: KeyLedger
  readonly #database: Database
  readonly #resources: TenantResources
  readonly #clock: Clock

  constructor(options: FollowerOptions) {
    this.#store = new KeyRotationStore(options.database)
    this.#ledger = new KeyLedger(options)
    this.#database = options.database
    this.#resources = options.resources
    this.#clock = options.clock ?? SYSTEM_CLOCK
  }

  /**
   * Adds a version of the KEK; gives the version that is current then. New keys of this process use it at once, those of
   * others within the five minutes that they keep a KEK in memory, and are wrapped anew with the rest.
   */
  async addKek(scope: TenantScope): Promise<number> {
    const { tenantId } = scope
    const { kms } = await this.#resources.resolve(scope)
    const { provider } = await kms.describe()
    const newest = (await this.#store.keks(scope)).at(-1)?.kekVersion ?? 0
    const kek = await this.#ring().newKek(tenantId, newest + 1)
    await this.#store.addKek(scope, kek, provider, new Date(this.#clock.now()))
    return newest + 1
  }

  /** How far the keys of a tenant are. */
  async state(scope: TenantScope): Promise<RotationState> {
    const kekVersion = (await this.#store.keks(scope)).at(-1)?.kekVersion ?? 0
    return { kekVersion, keysLeft: await this.#store.countOlderThan(scope, kekVersion) }
  }

  /** How many keys a rotation would wrap anew. */
  async keysToRotate(scope: TenantScope): Promise<number> {
    const { kekVersion } = await this.state(scope)
    return this.#store.countOlderThan(scope, kekVersion + 1)
  }

  /** Wraps some of the keys that an older KEK wraps under the current one; gives how many, 0 where none is left. */
  async rewrapSome(scope: TenantScope): Promise<number> {
    const keks = await this.#store.keks(scope)
    const current = keks.at(-1)?.kekVersion
    if (current === undefined || keks.length < 2) return 0
    const keys = await this.#store.olderThan(scope, current, BATCH)
    if (keys.length === 0) return 0
    const ring = this.#ring()
    const rewrapped = await Promise.all(keys.map((key) => this.#rewrapped(ring, scope, key, current)))
    // None at all: others rewrapped or erased them all meanwhile, and the next look finds what is left.
    return Math.max(1, await this.#store.rewrap(scope, rewrapped))
  }

  /** Rewrites the ledger where it holds keys as they were, and deletes KEKs that nothing counts on any more. */
  async finish(scope: TenantScope): Promise<{ ledgersRewritten: number; keksRetired: number }> {
    let ledgersRewritten = await this.#ledger.rewrite(scope)
    const retired = await this.#store.retireKeks(scope, new Date(this.#clock.now() - RETIRE_MS))
    if (retired.length > 0) ledgersRewritten += await this.#ledger.rewrite(scope)
    return { ledgersRewritten, keksRetired: retired.length }
  }

  /** Has the KMS wrap a tenant's KEKs under its newest root key; gives how many changed. */
  async rewrapKeks(scope: TenantScope): Promise<number> {
    const { tenantId } = scope
    const { kms } = await this.#resources.resolve(scope)
    let changed = 0
    for (const kek of await this.#store.keks(scope)) {
      const context = { tenantId, kekVersion: kek.kekVersion, purpose: 'kek' }
      const wrapped = await kms.rewrap(context, kek.wrapped)
      if (await this.#store.rewrapKek(scope, kek, wrapped)) changed++
    }
    return changed
  }

  async #rewrapped(ring: KeyRing, { tenantId }: TenantScope, key: KeyToRewrap, kekVersion: number) {
    const { keyId, keyVersion, wrapped: before } = key
    const { wrapped } = await ring.rewrapContentKey({ tenantId, keyId, keyVersion, wrapped: before })
    return { keyId, before, wrapped, kekVersion }
  }

  /** A ring of its own: one that was kept would take an older KEK for the current one. */
  #ring(): KeyRing {
    return new KeyRing({
      kmsFor: async (tenantId) => (await this.#resources.resolve(mintTenantScope(tenantId))).kms,
      loadKek: async (tenantId, version): Promise<WrappedKek> => {
        const row = await this.#database.withTenant(mintTenantScope(tenantId), (tx) => findKek(tx, version))
        if (row === undefined) throw new Error(`KEK ${version} of tenant ${tenantId} is gone`)
        return { tenantId, kekVersion: row.kekVersion, wrapped: row.wrapped }
      },
    })
  }
}
