import { isAgentfsError } from '@agentfs/contracts'
import { type Kms, openObject, openRecordBlock, unwrapKey, wrappedKekVersion } from '@agentfs/crypto'
import { type ObjectStore, parseSegment } from '@agentfs/storage'
import { decodeKeyLedger } from './followers/key-ledger-format.js'

/** What bucket and KMS alone give up, for tests of what they must not give up. */
export interface OpenedBucket {
  /** Plaintext of every part, manifest and record that a key opens, as latin1 text. */
  readonly opened: readonly string[]
  /** Ids of keys that stand wrapped in some piece of the ledger, tombstoned or not. */
  readonly heldKeys: ReadonlySet<string>
  readonly tombstones: ReadonlySet<string>
}

/** Opens all of a tenant's prefix as recovery does: every piece of the ledger counts, and every tombstone beats them all. */
export async function openBucket(
  store: ObjectStore,
  prefix: string,
  tenantId: string,
  kms: Kms,
): Promise<OpenedBucket> {
  const names: string[] = []
  for await (const { key } of store.list(`${prefix}tenants/${tenantId}/`)) names.push(key)
  const ledgers = []
  for (const name of names.filter((key) => key.includes('/keys/'))) {
    ledgers.push(decodeKeyLedger(tenantId, name, await store.get(name)))
  }
  const tombstones = new Set(ledgers.flatMap((piece) => piece.tombstones.map(({ keyId }) => keyId)))
  const keks = new Map<number, Buffer>()
  for (const { kekVersion, wrapped } of ledgers.flatMap((piece) => piece.keks)) {
    keks.set(kekVersion, await kms.unwrap({ tenantId, kekVersion, purpose: 'kek' }, wrapped))
  }
  const keys = new Map<string, Buffer>()
  const heldKeys = new Set<string>()
  for (const { keyId, keyVersion, wrapped } of ledgers.flatMap((piece) => piece.keys)) {
    heldKeys.add(keyId)
    const binding = { tenantId, keyId, keyVersion }
    const kekVersion = wrappedKekVersion(binding, wrapped)
    const kek = keks.get(kekVersion)
    if (kek === undefined || tombstones.has(keyId) || tombstones.has(tenantId)) continue
    keys.set(keyId, unwrapKey({ ...binding, kek, kekVersion }, wrapped))
  }
  const opened: string[] = []
  const open = (
    kind: 'part' | 'manifest' | 'record',
    keyId: string,
    objectId: string,
    sealed: Uint8Array,
  ) => {
    const key = keys.get(keyId)
    if (key === undefined) return false
    try {
      opened.push(openObject({ kind, tenantId, keyId, objectId, key }, sealed).toString('latin1'))
      return true
    } catch (error) {
      if (!isAgentfsError(error, 'object_corrupt')) throw error
      return false
    }
  }
  const openBlock = (keyId: string, blockId: string, sealed: Uint8Array) => {
    const key = keys.get(keyId)
    if (key === undefined) return
    const records = openRecordBlock({ tenantId, keyId, key }, blockId, sealed)
    opened.push(...records.map(({ text }) => Buffer.from(text).toString('latin1')))
  }
  for (const name of names) {
    const bytes = name.includes('/keys/') ? undefined : await store.get(name)
    if (bytes !== undefined && name.includes('/seg/')) {
      for (const { kind, id, keyId, sealed } of parseSegment(bytes, name).entries) {
        if (kind === 'recordBlock') openBlock(keyId, id, sealed)
        else if (kind !== 'treeImage') open(kind, keyId, id, sealed)
      }
    }
    const partId = /\/part\/([0-9a-f-]{36})-/.exec(name)?.[1]
    // A part object does not say its key: whoever has them all tries them all.
    if (bytes !== undefined && partId !== undefined) {
      for (const keyId of keys.keys()) if (open('part', keyId, partId, bytes)) break
    }
  }
  return { opened, heldKeys, tombstones }
}
