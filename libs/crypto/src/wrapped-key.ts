// A wrapped key: one key of the hierarchy under its tenant's KEK, 65 bytes. Integers are big-endian.
//
//   0   ver u8 = 1
//   1   kek_version u32
//   5   iv[12]
//   17  ciphertext[32]
//   49  tag[16]
//
// AES-256-GCM with AAD "agentfs/key/v1\0" | tenant id[16] | key id[16] | key_version u32 | kek_version u32.
// Nonces are random: a KEK must be rotated before it has wrapped 2^32 keys (NIST SP 800-38D).
import { randomBytes } from 'node:crypto'
import { AgentfsError } from '@agentfs/contracts'
import { GCM_NONCE_BYTES, gcmOpen, gcmSeal } from './aes-gcm.js'
import { type SecretKey, secretKeyObject } from './secret-key.js'
import { uuidToBytes } from './uuid-bytes.js'

/** Bytes of a wrapped key. */
export const WRAPPED_KEY_BYTES = 65

/** What a wrapped key is bound to. Ids are lower-case UUIDs. */
export interface KeyBinding {
  readonly tenantId: string
  readonly keyId: string
  readonly keyVersion: number
}

/** A tenant's key-encryption key. */
export interface Kek {
  readonly kek: SecretKey
  readonly kekVersion: number
}

/** Wraps a 32-byte key; `iv` is for fixtures only, it must never repeat under one KEK. */
export function wrapKey(
  target: KeyBinding & Kek,
  key: SecretKey,
  iv: Uint8Array = randomBytes(GCM_NONCE_BYTES),
): Buffer {
  const plain = secretKeyObject(key).export()
  const prefix = Buffer.alloc(IV_OFFSET)
  prefix.writeUInt8(WRAPPED_KEY_VERSION, 0)
  prefix.writeUInt32BE(target.kekVersion, 1)
  const context = keyContext(target, target.kekVersion)
  const sealed = gcmSeal(secretKeyObject(target.kek), iv, context, plain)
  plain.fill(0)
  return Buffer.concat([prefix, iv, sealed])
}

/** The key inside; `object_corrupt`, naming the key, when it was wrapped for another place or KEK, or changed. */
export function unwrapKey(source: KeyBinding & Kek, wrapped: Uint8Array): Buffer {
  const kekVersion = readKekVersion(wrapped)
  if (kekVersion !== source.kekVersion)
    throw corruptKey(source, kekVersion === undefined ? 'format' : 'kek_version')
  const iv = wrapped.subarray(IV_OFFSET, CIPHERTEXT_OFFSET)
  const context = keyContext(source, source.kekVersion)
  const key = gcmOpen(secretKeyObject(source.kek), iv, context, wrapped.subarray(CIPHERTEXT_OFFSET))
  if (key === undefined) throw corruptKey(source, 'tag')
  return key
}

/** Which version of the tenant's KEK opens a wrapped key. */
export function wrappedKekVersion(binding: KeyBinding, wrapped: Uint8Array): number {
  const kekVersion = readKekVersion(wrapped)
  if (kekVersion === undefined) throw corruptKey(binding, 'format')
  return kekVersion
}

const WRAPPED_KEY_VERSION = 1
const IV_OFFSET = 5
const CIPHERTEXT_OFFSET = IV_OFFSET + GCM_NONCE_BYTES
const CONTEXT_LABEL = Buffer.from('agentfs/key/v1\0', 'ascii')

function keyContext(binding: KeyBinding, kekVersion: number): Buffer {
  const versions = Buffer.alloc(8)
  versions.writeUInt32BE(binding.keyVersion, 0)
  versions.writeUInt32BE(kekVersion, 4)
  return Buffer.concat([CONTEXT_LABEL, uuidToBytes(binding.tenantId), uuidToBytes(binding.keyId), versions])
}

function readKekVersion(wrapped: Uint8Array): number | undefined {
  if (wrapped.length !== WRAPPED_KEY_BYTES || wrapped[0] !== WRAPPED_KEY_VERSION) return undefined
  return new DataView(wrapped.buffer, wrapped.byteOffset).getUint32(1)
}

function corruptKey(binding: KeyBinding, reason: string): AgentfsError {
  return new AgentfsError('object_corrupt', { objectId: binding.keyId, objectKind: 'wrapped_key', reason })
}
