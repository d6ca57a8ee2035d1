// A sealed object: what Postgres and the object store hold instead of plaintext. Integers are big-endian.
//
//   0   "AFS1"
//   4   suite u8 = 1 (Cobblestone-256)
//   5   kind u8
//   6   u16 = 0
//   8   key_version u32
//   12  u32 = 0
//   16  salt[24] | commitment[32] | chunks           the message of chunked-layout.ts
//
// The message's context is "agentfs/obj/v1\0" | header[16] | tenant id[16] | key id[16] | object id[16], so that
// neither the header nor the place of an object can be changed without the commitment noticing [ENC-2].
import { AgentfsError, isAgentfsError } from '@agentfs/contracts'
import { type MessageSlice, openChunkedSlice, sealChunkedInto } from './chunked-encryption.js'
import {
  type ByteRange,
  MESSAGE_HEAD_BYTES,
  messageLength,
  messageRange,
  plainLength,
} from './chunked-layout.js'
import {
  encodeObjectHeader,
  OBJECT_HEADER_BYTES,
  type ObjectKind,
  readObjectHeader,
} from './object-header.js'
import type { SecretKey } from './secret-key.js'
import { uuidToBytes } from './uuid-bytes.js'

/** Bytes of a sealed object that every reader of a range needs: header, salt and commitment. */
export const SEALED_HEAD_BYTES = OBJECT_HEADER_BYTES + MESSAGE_HEAD_BYTES

/** What a sealed object is bound to: it opens under these ids and no others. Ids are lower-case UUIDs. */
export interface ObjectBinding {
  readonly kind: ObjectKind
  readonly tenantId: string
  readonly keyId: string
  /** The part's, version's or record's id. */
  readonly objectId: string
}

/** A content key to open with. */
export interface OpeningKey {
  readonly key: SecretKey
}

/** A content key to seal with. */
export interface SealingKey extends OpeningKey {
  /** Written to the header, from which a reader learns which version of the key it needs. */
  readonly keyVersion: number
}

/** A sealed object, or as much of it as was fetched. */
export interface SealedSlice {
  /** The first 72 bytes of the object, or more of it. */
  readonly head: Uint8Array
  /** Bytes of the object from `from` on, at least those of `sealedRange`. */
  readonly bytes: Uint8Array
  /** Where in the object `bytes` starts. */
  readonly from: number
  /** Length of the whole sealed object. */
  readonly sealedLength: number
}

/** Seals bytes for their place; `salt` is for fixtures only, it must never repeat under one key. */
export function sealObject(
  target: ObjectBinding & SealingKey,
  plaintext: Uint8Array,
  salt?: Uint8Array,
): Buffer {
  const sealed = Buffer.allocUnsafe(sealedLength(plaintext.length))
  const header = encodeObjectHeader(target.kind, target.keyVersion)
  sealed.set(header, 0)
  const context = objectContext(header, target)
  sealChunkedInto(sealed.subarray(OBJECT_HEADER_BYTES), target.key, context, plaintext, salt)
  return sealed
}

/** Opens a whole sealed object; `object_corrupt`, naming the object, when it is not exactly what was sealed. */
export function openObject(source: ObjectBinding & OpeningKey, sealed: Uint8Array): Buffer {
  return openObjectRange(source, sealed, 0, Number.MAX_SAFE_INTEGER)
}

/** Opens only the chunks that hold a range of plaintext, which is cut at the end of the object. */
export function openObjectRange(
  source: ObjectBinding & OpeningKey,
  sealed: Uint8Array,
  offset: number,
  length: number,
): Buffer {
  const slice = { head: sealed, bytes: sealed, from: 0, sealedLength: sealed.length }
  return openObjectSlice(source, slice, offset, length)
}

/** As `openObjectRange`, from the object's first 72 bytes and the bytes of `sealedRange` alone. */
export function openObjectSlice(
  source: ObjectBinding & OpeningKey,
  slice: SealedSlice,
  offset: number,
  length: number,
): Buffer {
  try {
    const { kind } = readObjectHeader(slice.head)
    if (kind !== source.kind) throw new AgentfsError('object_corrupt', { reason: 'kind', found: kind })
    const context = objectContext(slice.head.subarray(0, OBJECT_HEADER_BYTES), source)
    return openChunkedSlice(source.key, context, messageSlice(slice), offset, length)
  } catch (error) {
    throw namingObject(error, source)
  }
}

/** Length of the sealed object that holds `plaintextLength` bytes. */
export function sealedLength(plaintextLength: number): number {
  return OBJECT_HEADER_BYTES + messageLength(plaintextLength)
}

/** Length of the plaintext in a sealed object; `object_corrupt` for a length that none has. */
export function openedLength(sealedLengthBytes: number): number {
  return plainLength(sealedLengthBytes - OBJECT_HEADER_BYTES)
}

/** Bytes of a sealed object that hold a range of its plaintext; its first 72 bytes are needed beside them. */
export function sealedRange(
  plainOffset: number,
  plainLengthBytes: number,
  sealedLengthBytes: number,
): ByteRange {
  const { from, to } = messageRange(plainOffset, plainLengthBytes, sealedLengthBytes - OBJECT_HEADER_BYTES)
  return { from: from + OBJECT_HEADER_BYTES, to: to + OBJECT_HEADER_BYTES }
}

const CONTEXT_LABEL = Buffer.from('agentfs/obj/v1\0', 'ascii')

function objectContext(header: Uint8Array, binding: ObjectBinding): Buffer {
  const ids = [binding.tenantId, binding.keyId, binding.objectId].map(uuidToBytes)
  return Buffer.concat([CONTEXT_LABEL, header, ...ids])
}

function messageSlice(slice: SealedSlice): MessageSlice {
  const skip = Math.max(0, OBJECT_HEADER_BYTES - slice.from)
  return {
    head: slice.head.subarray(OBJECT_HEADER_BYTES),
    bytes: slice.bytes.subarray(skip),
    from: slice.from + skip - OBJECT_HEADER_BYTES,
    messageLength: slice.sealedLength - OBJECT_HEADER_BYTES,
  }
}

/** Puts the object's name on a refusal; everything else passes through. */
function namingObject(error: unknown, binding: ObjectBinding): unknown {
  if (!isAgentfsError(error, 'object_corrupt')) return error
  const { kind, keyId, objectId } = binding
  const details = { objectId, objectKind: kind, keyId, ...error.details }
  return new AgentfsError('object_corrupt', details, { cause: error.cause })
}
