import type { TenantScope } from '@agentfs/access'
import { isAgentfsError } from '@agentfs/contracts'
import type { FoundObject, KeyLedgerRows, LedgerKek, LedgerKey, LedgerTombstone } from '@agentfs/storage'
import { decodeKeyLedger } from '../followers/key-ledger-format.js'
import { tenantPrefix } from '../followers/object-keys.js'
import type { Bucket, UnreadObject } from './bucket.js'

/** A tenant's keys as all pieces of its ledger together have them. */
export interface ReadLedger {
  readonly rows: KeyLedgerRows
  readonly objects: readonly FoundObject[]
  readonly unread: readonly UnreadObject[]
}

/**
 * Reads a tenant's key ledger: the union of its objects, the newest wrapping of each key. A tombstone takes its key out
 * whatever piece has a copy, the older ones too [ENC-3].
 */
export async function readLedger(bucket: Bucket, scope: TenantScope): Promise<ReadLedger> {
  const prefix = `${tenantPrefix(scope)}/keys/`
  const keks = new Map<number, LedgerKek>()
  const keys = new Map<string, LedgerKey>()
  const tombstones = new Map<string, LedgerTombstone>()
  const objects: FoundObject[] = []
  const unread: UnreadObject[] = []
  for await (const { key: objectKey, size } of bucket.list(prefix)) {
    try {
      const rows = decodeKeyLedger(scope.tenantId, objectKey, await bucket.get(objectKey))
      for (const kek of rows.keks) keks.set(kek.kekVersion, kek)
      for (const key of rows.keys) if (isNewer(key, keys.get(key.keyId))) keys.set(key.keyId, key)
      for (const tombstone of rows.tombstones) tombstones.set(tombstone.keyId, tombstone)
      objects.push(foundPiece(scope, objectKey, size, prefix, rows))
    } catch (error) {
      if (!isAgentfsError(error, 'object_corrupt')) throw error
      unread.push({ object: objectKey, problem: 'it is no piece of the key ledger, or damaged' })
    }
  }
  const rows = {
    keks: [...keks.values()].sort((left, right) => left.kekVersion - right.kekVersion),
    keys: [...keys.values()],
    tombstones: [...tombstones.values()],
  }
  return { rows, objects, unread }
}

function isNewer(key: LedgerKey, known: LedgerKey | undefined): boolean {
  if (known === undefined || key.keyVersion !== known.keyVersion)
    return key.keyVersion > (known?.keyVersion ?? 0)
  return key.kekVersion > known.kekVersion
}

/**
 * A piece belongs to the stream of the agent whose contents' keys it holds, so that rewriting that agent's ledger supersedes
 * it; one with the keys of streams only is the tenant's.
 */
function foundPiece(
  { tenantId }: TenantScope,
  objectKey: string,
  size: number,
  prefix: string,
  { keys }: KeyLedgerRows,
): FoundObject {
  const streamId =
    keys.find(({ agentId, purpose }) => agentId !== null && purpose === 'content')?.agentId ?? tenantId
  const place = { epoch: 0, firstSeq: 0, lastSeq: 0 }
  return {
    objectId: objectKey.slice(prefix.length),
    streamId,
    kind: 'keys',
    objectKey,
    size,
    checksum: null,
    ...place,
  }
}
