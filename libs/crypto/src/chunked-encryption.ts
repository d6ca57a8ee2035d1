// Cobblestone-256 of C2SP chunked-encryption (https://c2sp.org/chunked-encryption): SHA-512 and AES-256-GCM.
//
//   key[32] | base nonce[12] | commitment[32] =
//     HKDF-Expand(input key, "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" | salt | context)
//   nonce of chunk k = base nonce XOR k, big-endian
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto'
import { AgentfsError, freeBytes } from '@agentfs/contracts'
import { GCM_NONCE_BYTES, GCM_TAG_BYTES, KEY_BYTES } from './aes-gcm.js'
import { hkdfExpand } from './hkdf.js'
import { nextSalt } from './salts.js'
import { type SecretKey, secretKeyObject } from './secret-key.js'
import {
  CHUNK_BYTES,
  chunksFor,
  COMMITMENT_BYTES,
  MESSAGE_HEAD_BYTES,
  messageLength,
  plainLength,
  SALT_BYTES,
  SEALED_CHUNK_BYTES,
} from './chunked-layout.js'

/** A message, or as much of it as was fetched. */
export interface MessageSlice {
  /** The first 56 bytes of the message, or more of it. */
  readonly head: Uint8Array
  /** Bytes of the message from `from` on, at least those of `messageRange`. */
  readonly bytes: Uint8Array
  /** Where in the message `bytes` starts. */
  readonly from: number
  /** Length of the whole message. */
  readonly messageLength: number
}

/** Seals `plaintext` into a new message; `salt` is for fixtures only, it must never repeat under one key. */
export function sealChunked(
  inputKey: SecretKey,
  context: Uint8Array,
  plaintext: Uint8Array,
  salt?: Uint8Array,
): Buffer {
  const target = Buffer.allocUnsafe(messageLength(plaintext.length))
  sealChunkedInto(target, inputKey, context, plaintext, salt)
  return target
}

/** As `sealChunked`, into `target`, which must have exactly `messageLength(plaintext.length)` bytes. */
export function sealChunkedInto(
  target: Buffer,
  inputKey: SecretKey,
  context: Uint8Array,
  plaintext: Uint8Array,
  salt: Uint8Array = nextSalt(),
): void {
  if (target.length !== messageLength(plaintext.length)) throw new RangeError('target has the wrong length')
  const keys = deriveKeys(inputKey, context, salt)
  target.set(salt, 0)
  target.set(keys.commitment, SALT_BYTES)
  for (let index = 0; index * CHUNK_BYTES <= plaintext.length; index++) {
    const chunk = plaintext.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES)
    const at = MESSAGE_HEAD_BYTES + index * SEALED_CHUNK_BYTES
    const cipher = createCipheriv('aes-256-gcm', keys.key, chunkNonce(keys.baseNonce, index), GCM)
    moveInto(target, at, cipher.update(chunk))
    cipher.final()
    target.set(cipher.getAuthTag(), at + chunk.length)
  }
}

/** Opens a whole message; `object_corrupt` (with the reason) on any change, cut, or other key or context. */
export function openChunked(inputKey: SecretKey, context: Uint8Array, message: Uint8Array): Buffer {
  return openChunkedRange(inputKey, context, message, 0, plainLength(message.length))
}

/** Opens the chunks of a message that hold a range of plaintext; the range is cut at the end of the message. */
export function openChunkedRange(
  inputKey: SecretKey,
  context: Uint8Array,
  message: Uint8Array,
  offset: number,
  length: number,
): Buffer {
  const slice = { head: message, bytes: message, from: 0, messageLength: message.length }
  return openChunkedSlice(inputKey, context, slice, offset, length)
}

/**
 * As `openChunkedRange`, from the head and the chunks of `messageRange` alone. What it returns is authentic at
 * its place; that the message ends where `messageLength` says is proven only by a range that reaches the end.
 */
export function openChunkedSlice(
  inputKey: SecretKey,
  context: Uint8Array,
  slice: MessageSlice,
  offset: number,
  length: number,
): Buffer {
  const [first, last] = chunksFor(offset, length, slice.messageLength)
  const plain = plainLength(slice.messageLength)
  if (slice.head.length < MESSAGE_HEAD_BYTES) throw corrupt('length')
  const keys = deriveKeys(inputKey, context, slice.head.subarray(0, SALT_BYTES))
  if (!timingSafeEqual(keys.commitment, slice.head.subarray(SALT_BYTES, MESSAGE_HEAD_BYTES)))
    throw corrupt('commitment')

  const start = first * CHUNK_BYTES
  const opened = Buffer.allocUnsafe(Math.min((last + 1) * CHUNK_BYTES, plain) - start)
  for (let index = first; index <= last; index++) {
    const at = MESSAGE_HEAD_BYTES + index * SEALED_CHUNK_BYTES
    const to = Math.min(at + SEALED_CHUNK_BYTES, slice.messageLength)
    if (at < slice.from || to - slice.from > slice.bytes.length) throw corrupt('length')
    const sealed = slice.bytes.subarray(at - slice.from, to - slice.from)
    openChunk(keys, index, sealed, opened.subarray(index * CHUNK_BYTES - start))
  }
  return opened.subarray(Math.min(offset - start, opened.length), Math.min(offset + length, plain) - start)
}

const GCM = { authTagLength: GCM_TAG_BYTES }
const INFO_PREFIX = Buffer.from('c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0', 'ascii')

interface MessageKeys {
  readonly key: KeyObject
  readonly baseNonce: Buffer
  readonly commitment: Buffer
}

function deriveKeys(inputKey: SecretKey, context: Uint8Array, salt: Uint8Array): MessageKeys {
  if (salt.length !== SALT_BYTES) throw new RangeError(`the salt has ${SALT_BYTES} bytes`)
  const info = Buffer.concat([INFO_PREFIX, salt, context])
  const derived = hkdfExpand(secretKeyObject(inputKey), info, KEY_BYTES + GCM_NONCE_BYTES + COMMITMENT_BYTES)
  return {
    key: createSecretKey(derived.subarray(0, KEY_BYTES)),
    baseNonce: derived.subarray(KEY_BYTES, KEY_BYTES + GCM_NONCE_BYTES),
    commitment: derived.subarray(KEY_BYTES + GCM_NONCE_BYTES),
  }
}

function chunkNonce(baseNonce: Buffer, index: number): Buffer {
  const nonce = Buffer.from(baseNonce)
  // The counter has up to 38 bits: the last four bytes, and the low six bits of the one before.
  nonce.writeUInt32BE((baseNonce.readUInt32BE(8) ^ (index % 2 ** 32)) >>> 0, 8)
  nonce.writeUInt8(baseNonce.readUInt8(7) ^ Math.floor(index / 2 ** 32), 7)
  return nonce
}

function openChunk(keys: MessageKeys, index: number, sealed: Uint8Array, target: Buffer): void {
  const tagOffset = sealed.length - GCM_TAG_BYTES
  const nonce = chunkNonce(keys.baseNonce, index)
  const decipher = createDecipheriv('aes-256-gcm', keys.key, nonce, GCM)
  decipher.setAuthTag(sealed.subarray(tagOffset))
  const plaintext = decipher.update(sealed.subarray(0, tagOffset))
  try {
    decipher.final()
  } catch (cause) {
    throw corrupt('chunk', { chunk: index }, cause)
  }
  moveInto(target, 0, plaintext)
}

/** Copies what a cipher gave out and frees it: some ten runs of the collector less for each 100 MB sealed or opened. */
function moveInto(target: Buffer, at: number, piece: Buffer): void {
  target.set(piece, at)
  freeBytes(piece)
}

function corrupt(reason: string, details: Record<string, unknown> = {}, cause?: unknown): AgentfsError {
  return new AgentfsError('object_corrupt', { reason, ...details }, { cause })
}
