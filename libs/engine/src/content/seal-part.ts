import { uuidv7 } from '@agentfs/contracts'
import { contentMac, contentMacKey, type Extent, sealObject } from '@agentfs/crypto'
import type { KeyObject } from 'node:crypto'
import type { UsableKey } from '../keys/key-vault.js'
import type { SealedPart } from './sealed-part.js'

const macKeys = new WeakMap<object, KeyObject>()

/** The key of a content key's keyed hashes; derived once per key object. */
export function macKeyOf(key: UsableKey): KeyObject {
  let macKey = macKeys.get(key.key)
  if (macKey === undefined) macKeys.set(key.key, (macKey = contentMacKey(key.key)))
  return macKey
}

/** Seals up to 1 MiB as a new part. */
export function sealPart(
  tenantId: string,
  key: UsableKey,
  plaintext: Uint8Array,
  partId: string = uuidv7(),
): SealedPart & { readonly sealed: Uint8Array } {
  const sealed = sealObject({ kind: 'part', tenantId, objectId: partId, ...key }, plaintext)
  return {
    partId,
    keyId: key.keyId,
    size: plaintext.length,
    contentMac: contentMac(macKeyOf(key), plaintext),
    sealed,
    sealedLength: sealed.length,
    objectId: null,
  }
}

/** The extent that lays a whole part at an offset. */
export function extentOfPart(part: SealedPart, offset: number): Extent {
  return {
    offset,
    length: part.size,
    keyId: part.keyId,
    partId: part.partId,
    partOffset: 0,
    mac: part.contentMac,
  }
}
