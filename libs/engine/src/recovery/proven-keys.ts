import type { TenantScope } from '@agentfs/access'
import { isAgentfsError } from '@agentfs/contracts'
import { type Kms, unwrapKey, wrappedKekVersion } from '@agentfs/crypto'
import type { KeyLedgerRows, LedgerKek, LedgerKey } from '@agentfs/storage'
import type { Losses } from './report.js'

/** What a ledger has of a tenant's keys, all copies of each that differ, the newest first. */
export interface LedgerCopies {
  readonly keks: ReadonlyMap<number, readonly LedgerKek[]>
  readonly keys: ReadonlyMap<string, readonly LedgerKey[]>
  readonly tombstones: KeyLedgerRows['tombstones']
}

/**
 * Of each key the newest copy that opens. One that no copy opens of is lost, and left out: nothing else may fail with it. Keys
 * that a tombstone takes are not looked at. Throws what the KMS throws where it does not answer.
 */
export async function provenKeys(
  kms: Kms,
  { tenantId }: TenantScope,
  { keks, keys, tombstones }: LedgerCopies,
  losses: Losses,
): Promise<KeyLedgerRows> {
  const lost = (detail: string): void => losses.add({ kind: 'key', tenant: tenantId, detail })
  const erased = new Set(tombstones.map(({ keyId }) => keyId))
  const provenKeks: LedgerKek[] = []
  const opened = new Map<number, Buffer>()
  for (const [kekVersion, copies] of keks) {
    for (const copy of copies) {
      const kek = await unlessDamaged(() =>
        kms.unwrap({ tenantId, kekVersion, purpose: 'kek' }, copy.wrapped),
      )
      if (kek === undefined) continue
      provenKeks.push(copy)
      opened.set(kekVersion, kek)
      break
    }
    if (!opened.has(kekVersion)) lost(`no copy of key-encryption key ${kekVersion} opens`)
  }
  const provenKeyRows: LedgerKey[] = []
  for (const [keyId, copies] of keys) {
    const proven = erased.has(keyId) ? copies[0] : await firstThatOpens(tenantId, copies, opened)
    if (proven === undefined) lost(`no copy of key ${keyId} opens`)
    else provenKeyRows.push(proven)
  }
  for (const kek of opened.values()) kek.fill(0)
  return { keks: provenKeks, keys: provenKeyRows, tombstones }
}

async function firstThatOpens(
  tenantId: string,
  copies: readonly LedgerKey[],
  keks: ReadonlyMap<number, Buffer>,
): Promise<LedgerKey | undefined> {
  for (const copy of copies) {
    const { keyId, keyVersion, wrapped } = copy
    const key = await unlessDamaged(() => {
      const binding = { tenantId, keyId, keyVersion }
      const kekVersion = wrappedKekVersion(binding, wrapped)
      const kek = keks.get(kekVersion)
      return kek === undefined ? undefined : unwrapKey({ ...binding, kek, kekVersion }, wrapped)
    })
    if (key === undefined) continue
    key.fill(0)
    return copy
  }
  return undefined
}

async function unlessDamaged<T>(open: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await open()
  } catch (error) {
    if (isAgentfsError(error, 'object_corrupt')) return undefined
    throw error
  }
}
