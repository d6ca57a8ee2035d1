import { createSecretKey, generateKeySync, type KeyObject } from 'node:crypto'
import { KEY_BYTES } from './aes-gcm.js'
import type { Kms, KmsContext } from './kms.js'
import { type KeyBinding, unwrapKey, wrapKey, wrappedKekVersion } from './wrapped-key.js'

/** A tenant's KEK as its row holds it: wrapped by the tenant's KMS under purpose `kek`. */
export interface WrappedKek {
  readonly tenantId: string
  readonly kekVersion: number
  readonly wrapped: Uint8Array
}

/** A content key as its row holds it: 65 bytes under the tenant's KEK. */
export interface WrappedContentKey extends KeyBinding {
  readonly wrapped: Uint8Array
}

/** What a key ring needs from its host. */
export interface KeyRingOptions {
  /** The KMS of a tenant. */
  readonly kmsFor: (tenantId: string) => Kms | Promise<Kms>
  /** The row of a KEK; asked once per lease, not per key. */
  readonly loadKek: (tenantId: string, kekVersion: number | 'current') => Promise<WrappedKek>
  /** Milliseconds, monotonic. */
  readonly now?: () => number
  /** Runs `task` once after a delay; the default keeps no process alive. */
  readonly schedule?: (task: () => void, delayMs: number) => void
  readonly contentKeysMax?: number
  /** How long an unwrapped key is used at most; KEK_LEASE_MS, or less. */
  readonly leaseMs?: number
}

/** How long an unwrapped key is used at most, unless told less; so long an outage of the KMS goes unnoticed [OUT-1]. */
export const KEK_LEASE_MS = 270_000
/** How often keys are dropped whose lease is over: lease and interval together are the promised five minutes. */
export const KEK_SWEEP_INTERVAL_MS = 30_000

/**
 * The unwrapped keys of one process. A KEK is in memory for at most five minutes after the KMS was asked, and every
 * content key leaves with the KEK it came from. Past half of a lease the next use renews it in the background.
 * Throws `kms_unavailable` when the lease is over and the KMS does not answer, `object_corrupt` for a bad row.
 */
export class KeyRing {
  readonly #options: Required<KeyRingOptions>
  readonly #keks = new Map<string, HeldKek>()
  readonly #loading = new Map<string, Promise<HeldKek>>()
  readonly #contentKeys = new Map<string, HeldContentKey>()
  #sweepArmed = false
  /** Grows with every `forget`, so that what was under way meanwhile is not kept. */
  #generation = 0

  constructor(options: KeyRingOptions) {
    const leaseMs = Math.min(options.leaseMs ?? KEK_LEASE_MS, KEK_LEASE_MS)
    this.#options = { now: monotonicMs, schedule: unrefTimeout, contentKeysMax: 4096, ...options, leaseMs }
  }

  /** Makes a KEK. Its row must be committed before anything wrapped under it. */
  async newKek(tenantId: string, kekVersion: number): Promise<WrappedKek> {
    const kms = await this.#options.kmsFor(tenantId)
    const kek = newKey().export()
    const wrapped = await kms.wrap(kekContext(tenantId, kekVersion), kek)
    kek.fill(0)
    return { tenantId, kekVersion, wrapped }
  }

  /** Makes a content key under the tenant's current KEK, with the row to commit beside what it seals. */
  async newContentKey(
    tenantId: string,
    keyId: string,
    keyVersion = 1,
  ): Promise<{ key: KeyObject; row: WrappedContentKey }> {
    const generation = this.#generation
    const held = await this.#kek(tenantId, 'current')
    const key = newKey()
    const binding = { tenantId, keyId, keyVersion }
    this.#keepContentKey(binding, { key, expiresAtMs: held.expiresAtMs }, generation)
    return { key, row: { ...binding, wrapped: wrapKey({ ...binding, ...held }, key) } }
  }

  /**
   * The key in a row. Callers read the row first, and so never open with an erased key. With `kek`, which they read too, no
   * row is asked for: for use in a transaction, which must not wait for another one to begin.
   */
  async unwrapContentKey(row: WrappedContentKey, kek?: WrappedKek): Promise<KeyObject> {
    const cached = this.cachedContentKey(row)
    if (cached !== undefined) return cached
    const generation = this.#generation
    const held =
      kek === undefined
        ? await this.#kek(row.tenantId, wrappedKekVersion(row, row.wrapped))
        : await this.#unwrapKek(row.tenantId, kek.kekVersion, () => Promise.resolve(kek))
    const key = concealed(unwrapKey({ ...pickBinding(row), ...held }, row.wrapped))
    this.#keepContentKey(row, { key, expiresAtMs: held.expiresAtMs }, generation)
    return key
  }

  /** The version of the KEK whose row is needed to open a key; undefined where it opens with what is held. */
  kekNeededFor(row: WrappedContentKey): number | undefined {
    if (this.cachedContentKey(row) !== undefined) return undefined
    const kekVersion = wrappedKekVersion(row, row.wrapped)
    const held = this.#keks.get(kekName(row.tenantId, kekVersion))
    return held === undefined || this.#options.now() >= held.expiresAtMs ? kekVersion : undefined
  }

  /** A content key already unwrapped, without I/O: for use under a lock [SY-16]. */
  cachedContentKey(binding: KeyBinding): KeyObject | undefined {
    const name = contentKeyName(binding)
    const held = this.#contentKeys.get(name)
    if (held === undefined) return undefined
    this.#contentKeys.delete(name)
    if (this.#options.now() >= held.expiresAtMs) return undefined
    this.#contentKeys.set(name, held)
    return held.key
  }

  /** The row under the tenant's current KEK: KEK rotation. The key inside stays, so no object is rewritten [ENC-4]. */
  async rewrapContentKey(row: WrappedContentKey): Promise<WrappedContentKey> {
    const current = await this.#kek(row.tenantId, 'current')
    if (wrappedKekVersion(row, row.wrapped) === current.kekVersion) return row
    const key = await this.unwrapContentKey(row)
    return { ...pickBinding(row), wrapped: wrapKey({ ...pickBinding(row), ...current }, key) }
  }

  /** Forgets a tenant's keys, or one content key of it: erasure, or a KEK that was rotated. */
  forget(tenantId: string, keyId?: string): void {
    this.#generation++
    const prefix = keyId === undefined ? `${tenantId}/` : `${tenantId}/${keyId}/`
    for (const name of this.#contentKeys.keys()) if (name.startsWith(prefix)) this.#contentKeys.delete(name)
    if (keyId !== undefined) return
    for (const held of [this.#keks, this.#loading])
      for (const name of held.keys()) if (name.startsWith(prefix)) held.delete(name)
  }

  /** Drops every key whose lease is over; also runs by itself. */
  dropExpired(): void {
    const now = this.#options.now()
    for (const held of [this.#keks, this.#contentKeys])
      for (const [name, { expiresAtMs }] of held) if (now >= expiresAtMs) held.delete(name)
  }

  async #kek(tenantId: string, kekVersion: number | 'current'): Promise<HeldKek> {
    const name = kekName(tenantId, kekVersion)
    const held = this.#keks.get(name)
    const now = this.#options.now()
    if (held === undefined || now >= held.expiresAtMs) return this.#loadKek(tenantId, kekVersion)
    // A failed renewal costs nothing while the lease lasts; the next use tries again.
    if (now >= held.expiresAtMs - this.#options.leaseMs / 2)
      this.#loadKek(tenantId, kekVersion).catch(() => undefined)
    return held
  }

  #loadKek(tenantId: string, kekVersion: number | 'current'): Promise<HeldKek> {
    const name = kekName(tenantId, kekVersion)
    const underWay = this.#loading.get(name)
    if (underWay !== undefined) return underWay
    const loading = this.#unwrapKek(tenantId, kekVersion).finally(() => {
      if (this.#loading.get(name) === loading) this.#loading.delete(name)
    })
    this.#loading.set(name, loading)
    return loading
  }

  async #unwrapKek(
    tenantId: string,
    kekVersion: number | 'current',
    load: () => Promise<WrappedKek> = () => this.#options.loadKek(tenantId, kekVersion),
  ): Promise<HeldKek> {
    const generation = this.#generation
    const askedAtMs = this.#options.now()
    const row = await load()
    const kms = await this.#options.kmsFor(tenantId)
    const kek = await kms.unwrap(kekContext(tenantId, row.kekVersion), row.wrapped)
    const held: HeldKek = {
      kek: concealed(kek),
      kekVersion: row.kekVersion,
      expiresAtMs: askedAtMs + this.#options.leaseMs,
    }
    if (generation === this.#generation) {
      this.#keks.set(kekName(tenantId, kekVersion), held)
      this.#keks.set(kekName(tenantId, row.kekVersion), held)
      this.#armSweep()
    }
    return held
  }

  #keepContentKey(binding: KeyBinding, held: HeldContentKey, generation: number): void {
    if (generation !== this.#generation) return
    const name = contentKeyName(binding)
    this.#contentKeys.delete(name)
    this.#contentKeys.set(name, held)
    const [oldest] = this.#contentKeys.keys()
    if (oldest !== undefined && this.#contentKeys.size > this.#options.contentKeysMax)
      this.#contentKeys.delete(oldest)
  }

  #armSweep(): void {
    if (this.#sweepArmed) return
    this.#sweepArmed = true
    this.#options.schedule(() => {
      this.#sweepArmed = false
      this.dropExpired()
      if (this.#keks.size > 0) this.#armSweep()
    }, KEK_SWEEP_INTERVAL_MS)
  }
}

interface HeldKek {
  readonly kek: KeyObject
  readonly kekVersion: number
  readonly expiresAtMs: number
}

interface HeldContentKey {
  readonly key: KeyObject
  readonly expiresAtMs: number
}

function newKey(): KeyObject {
  return generateKeySync('aes', { length: KEY_BYTES * 8 })
}

/** The key as a KeyObject, which keeps its bytes out of the garbage-collected heap; the given copy is wiped. */
function concealed(plain: Buffer): KeyObject {
  const key = createSecretKey(plain)
  plain.fill(0)
  return key
}

function kekContext(tenantId: string, kekVersion: number): KmsContext {
  return { tenantId, kekVersion, purpose: 'kek' }
}

function kekName(tenantId: string, kekVersion: number | 'current'): string {
  return `${tenantId}/${kekVersion}`
}

function contentKeyName({ tenantId, keyId, keyVersion }: KeyBinding): string {
  return `${tenantId}/${keyId}/${keyVersion}`
}

function pickBinding({ tenantId, keyId, keyVersion }: KeyBinding): KeyBinding {
  return { tenantId, keyId, keyVersion }
}

function monotonicMs(): number {
  return performance.now()
}

function unrefTimeout(task: () => void, delayMs: number): void {
  setTimeout(task, delayMs).unref()
}
