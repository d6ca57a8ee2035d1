import type { TenantScope } from '@agentfs/access'
import { isAgentfsError } from '@agentfs/contracts'
import type { FoundObject, KeyLedgerRows, LedgerKek, LedgerKey, LedgerTombstone } from '@agentfs/storage'
import { decodeKeyLedger } from '../followers/key-ledger-format.js'
import { tenantPrefix } from '../followers/object-keys.js'
import type { Bucket, UnreadObject } from './bucket.js'
import type { LedgerCopies } from './proven-keys.js'

/** A tenant's keys as all pieces of its ledger together have them. */
export interface ReadLedger {
  readonly copies: LedgerCopies
  readonly objects: readonly FoundObject[]
  readonly unread: readonly UnreadObject[]
}

/**
 * Reads a tenant's key ledger: the union of its objects, of each key the newest wrapping first. A tombstone takes its key out
 * whatever piece has a copy, the older ones too [ENC-3].
 */
export async function readLedger(bucket: Bucket, scope: TenantScope): Promise<ReadLedger> {
  const prefix = `${tenantPrefix(scope)}/keys/`
  const keks = new Map<number, LedgerKek[]>()
  const keys = new Map<string, LedgerKey[]>()
  const tombstones = new Map<string, LedgerTombstone>()
  const objects: FoundObject[] = []
  const unread: UnreadObject[] = []
  // Listed in the order of their ids, the newest piece last.
  for await (const { key: objectKey, size } of bucket.list(prefix)) {
    try {
      const rows = decodeKeyLedger(scope.tenantId, objectKey, await bucket.get(objectKey))
      for (const kek of rows.keks) keks.set(kek.kekVersion, withCopy(keks.get(kek.kekVersion), kek))
      for (const key of rows.keys) keys.set(key.keyId, withCopy(keys.get(key.keyId), key))
      for (const tombstone of rows.tombstones) tombstones.set(tombstone.keyId, tombstone)
      objects.push(foundPiece(scope, objectKey, size, prefix, rows))
    } catch (error) {
      if (!isAgentfsError(error, 'object_corrupt')) throw error
      unread.push({ object: objectKey, problem: 'it is no piece of the key ledger, or damaged' })
    }
  }
  for (const copies of keys.values()) if (copies.length > 1) copies.sort(byAge)
  const inOrder = new Map([...keks].sort(([left], [right]) => left - right))
  return { copies: { keks: inOrder, keys, tombstones: [...tombstones.values()] }, objects, unread }
}

/** The copies so far behind one that comes from a newer piece; those that are alike count once. */
function withCopy<Row extends { readonly wrapped: Uint8Array }>(known: Row[] | undefined, row: Row): Row[] {
  const others = (known ?? []).filter(({ wrapped }) => !Buffer.from(wrapped).equals(row.wrapped))
  return [row, ...others]
}

/** The newest wrapping first. */
function byAge(left: LedgerKey, right: LedgerKey): number {
  return right.keyVersion - left.keyVersion || right.kekVersion - left.kekVersion
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
