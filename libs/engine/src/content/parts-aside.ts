import { createSecretKey, KeyObject } from 'node:crypto'
import type { UsableKey } from '../keys/key-vault.js'
import type { PartResult, ThreadKey } from './part-thread-messages.js'
import { partThreads } from './part-threads.js'
import { sealPart } from './seal-part.js'
import type { SealedPart } from './sealed-part.js'

/** Below this a part is sealed or opened in less time than a message to a thread costs. */
const ASIDE_BYTES_MIN = 256 * 1024

/** As `sealPart`, large parts on another thread. The bytes are given away: nobody may use them afterwards. */
export async function sealPartAside(
  tenantId: string,
  key: UsableKey,
  plaintext: Uint8Array,
  partId: string,
): Promise<SealedPart & { readonly sealed: Uint8Array }> {
  const size = plaintext.length
  if (size < ASIDE_BYTES_MIN) return sealPart(tenantId, key, plaintext, partId)
  const { bytes: sealed, contentMac } = await partThreads.run({
    kind: 'seal',
    tenantId,
    partId,
    key: threadKey(key),
    plaintext: alone(plaintext),
  })
  const { keyId } = key
  return { partId, keyId, size, contentMac, sealed, sealedLength: sealed.length, objectId: null }
}

/** True where a range of a part is worth a message to a thread. */
export function opensAside(length: number): boolean {
  return length >= ASIDE_BYTES_MIN
}

/**
 * Opens a range of a whole sealed part on another thread, with the keyed hash of what was opened. Bytes that are `ours` are
 * given away; others, which readers share and a cache keeps, are copied.
 */
export function openPartAside(
  tenantId: string,
  key: UsableKey,
  partId: string,
  sealed: Uint8Array,
  range: { readonly from: number; readonly length: number },
  ours: boolean,
): Promise<PartResult> {
  return partThreads.run({
    kind: 'open',
    tenantId,
    partId,
    key: threadKey(key),
    sealed: ours ? alone(sealed) : new Uint8Array(sealed),
    ...range,
  })
}

function threadKey({ keyId, keyVersion, key }: UsableKey): ThreadKey {
  return { keyId, keyVersion, key: key instanceof KeyObject ? key : createSecretKey(key) }
}

/** Bytes that have their memory for themselves. */
function alone(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes
  return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length
    ? new Uint8Array(buffer)
    : new Uint8Array(bytes)
}
