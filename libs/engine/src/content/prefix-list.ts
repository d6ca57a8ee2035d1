import { deflateSync, inflateSync } from 'node:zlib'
import { AgentfsError } from '@agentfs/contracts'
import { openObject, sealObject } from '@agentfs/crypto'
import type { PrefixRow } from '@agentfs/storage'
import type { UsableKey } from '../keys/key-vault.js'

/** Above this a list is taken for damage: some hundred bytes for each of the versions that one may name. */
const LIST_BYTES_MAX = 64 * 1024 * 1024

type PrefixTuple = readonly [
  versionId: string,
  nodeId: string,
  number: number,
  parents: readonly string[],
  author: string,
  size: number,
  keyId: string,
  epoch: number,
  seq: number,
  createdAt: string,
]

interface PrefixListBody {
  readonly v: 1
  readonly target: string
  readonly versions: readonly PrefixTuple[]
}

/** Seals the list of a version's beginnings under the stream's key: what their rows are made of when only the bucket is left. */
export function sealPrefixList(
  tenantId: string,
  key: UsableKey,
  objectId: string,
  target: string,
  rows: readonly PrefixRow[],
): Buffer {
  const versions = rows.map((row): PrefixTuple => {
    const { versionId, nodeId, number, parents, author, size, keyId, epoch, seq, createdAt } = row
    return [versionId, nodeId, number, parents, author, size, keyId, epoch, seq, createdAt.toISOString()]
  })
  const body: PrefixListBody = { v: 1, target, versions }
  const plain = deflateSync(Buffer.from(JSON.stringify(body), 'utf8'), { level: 9 })
  return sealObject({ kind: 'prefixes', tenantId, objectId, ...key }, plain)
}

/** Opens such a list; `object_corrupt` where it is damaged, or another's. */
export function openPrefixList(
  tenantId: string,
  key: UsableKey,
  objectId: string,
  target: string,
  sealed: Uint8Array,
): PrefixRow[] {
  const plain = openObject({ kind: 'prefixes', tenantId, objectId, ...key }, sealed)
  // Authenticated bytes that this service sealed: their shape needs no second check.
  const text = inflateSync(plain, { maxOutputLength: LIST_BYTES_MAX }).toString('utf8')
  const body = JSON.parse(text) as PrefixListBody
  if (body.v !== 1 || body.target !== target) {
    throw new AgentfsError('object_corrupt', { objectId, reason: 'a list of another version' })
  }
  return body.versions.map((tuple) => {
    const [versionId, nodeId, number, parents, author, size, keyId, epoch, seq, createdAt] = tuple
    return {
      versionId,
      nodeId,
      number,
      parents,
      author,
      size,
      keyId,
      epoch,
      seq,
      createdAt: new Date(createdAt),
    }
  })
}
