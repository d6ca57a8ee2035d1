import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { KeyFileKms, type SealingKey, unwrapKey } from '@agentfs/crypto'
import { decodeKeyLedger } from '@agentfs/engine'

/** A key that seals what a bucket holds. */
export interface BucketKey extends SealingKey {
  readonly keyId: string
}

/** A tenant's keys, from its ledger and the key file, as anybody who holds both has them. */
export async function bucketKeys(
  home: string,
  tenantId: string,
): Promise<{
  readonly stream: (agentId: string) => BucketKey
  readonly content: (nodeId: string) => BucketKey
}> {
  const kms = await KeyFileKms.open({ path: join(home, 'keys/kms.json'), create: false })
  const folder = join(home, 'objects/tenants', tenantId, 'keys')
  const streams = new Map<string, BucketKey>()
  const contents = new Map<string, BucketKey>()
  const keks = new Map<number, Buffer>()
  const pieces = readdirSync(folder).map((name) =>
    decodeKeyLedger(tenantId, name, readFileSync(join(folder, name))),
  )
  for (const { kekVersion, wrapped } of pieces.flatMap((piece) => piece.keks))
    keks.set(kekVersion, await kms.unwrap({ tenantId, kekVersion, purpose: 'kek' }, wrapped))
  for (const row of pieces.flatMap((piece) => piece.keys)) {
    const { keyId, keyVersion, kekVersion, wrapped, agentId, nodeId, purpose } = row
    const kek = keks.get(kekVersion)
    if (kek === undefined) throw new Error(`no key-encryption key ${kekVersion}`)
    const key = unwrapKey({ tenantId, keyId, keyVersion, kek, kekVersion }, wrapped)
    const usable = { keyId, keyVersion, key }
    if (purpose === 'stream' && agentId !== null) streams.set(keyId, usable)
    if (purpose === 'content' && nodeId !== null) contents.set(nodeId, usable)
  }
  return {
    stream: (keyId) => known(streams, keyId),
    content: (nodeId) => known(contents, nodeId),
  }
}

function known(keys: ReadonlyMap<string, BucketKey>, id: string): BucketKey {
  const key = keys.get(id)
  if (key === undefined) throw new Error(`no key of ${id} in the ledger`)
  return key
}
