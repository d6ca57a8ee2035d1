// Where the bytes of a Cobblestone message lie (C2SP chunked-encryption):
//
//   0   salt[24]
//   24  commitment[32]
//   56  chunk 0: ciphertext[16384] + tag[16]
//   56 + k * 16400  chunk k; the last one holds 0 to 16383 bytes of ciphertext and its tag
//
// Worked sizes: an empty message is 72 bytes, 1 KiB is 1096, 16 KiB is 16472 (a full chunk and an empty one).
import { AgentfsError } from '@agentfs/contracts'
import { GCM_TAG_BYTES } from './aes-gcm.js'

/** Bytes of the random salt in front of a message. */
export const SALT_BYTES = 24
/** Bytes of the key commitment behind the salt. */
export const COMMITMENT_BYTES = 32
/** Bytes in front of the first chunk. */
export const MESSAGE_HEAD_BYTES = SALT_BYTES + COMMITMENT_BYTES
/** Plaintext bytes of every chunk but the last. */
export const CHUNK_BYTES = 16_384
/** Sealed bytes of every chunk but the last. */
export const SEALED_CHUNK_BYTES = CHUNK_BYTES + GCM_TAG_BYTES
/** Chunks a message may have; the counter must leave the upper bits of the nonce alone. */
const CHUNKS_MAX = 2 ** 38

/** A half-open range of bytes. */
export interface ByteRange {
  /** First byte. */
  readonly from: number
  /** One past the last byte. */
  readonly to: number
}

/** Length of the message that seals `plainLengthBytes` bytes. */
export function messageLength(plainLengthBytes: number): number {
  requireCount(plainLengthBytes, 'plainLengthBytes')
  const lastChunk = Math.floor(plainLengthBytes / CHUNK_BYTES)
  if (lastChunk >= CHUNKS_MAX) throw new RangeError('a message holds at most 2^38 chunks')
  return MESSAGE_HEAD_BYTES + plainLengthBytes + (lastChunk + 1) * GCM_TAG_BYTES
}

/** Index of the last chunk of a message; `object_corrupt` for a length that no message has. */
function lastChunkOf(messageLengthBytes: number): number {
  const rest = messageLengthBytes - MESSAGE_HEAD_BYTES
  const last = Math.floor(rest / SEALED_CHUNK_BYTES)
  // A remainder below a tag's length (0 included) means that the short final chunk is missing or cut.
  if (rest < GCM_TAG_BYTES || rest % SEALED_CHUNK_BYTES < GCM_TAG_BYTES || last >= CHUNKS_MAX)
    throw new AgentfsError('object_corrupt', { reason: 'length', length: messageLengthBytes })
  return last
}

/** Length of the plaintext in a message; `object_corrupt` for a length that no message has. */
export function plainLength(messageLengthBytes: number): number {
  const chunks = lastChunkOf(messageLengthBytes) + 1
  return messageLengthBytes - MESSAGE_HEAD_BYTES - chunks * GCM_TAG_BYTES
}

/** First and last chunk that must be opened for a range of plaintext, which is cut at the end of the message. */
export function chunksFor(offset: number, length: number, messageLengthBytes: number): [number, number] {
  requireCount(offset, 'offset')
  requireCount(length, 'length')
  const last = lastChunkOf(messageLengthBytes)
  const plain = plainLength(messageLengthBytes)
  const end = Math.min(offset + length, plain)
  // A range that reaches the end includes the final chunk even when that is empty: only it proves the length.
  const to = end === plain ? last : Math.max(0, Math.floor((end - 1) / CHUNK_BYTES))
  return [Math.min(Math.floor(offset / CHUNK_BYTES), to), to]
}

/** Bytes of the message that hold a range of plaintext; the message's first 56 bytes are needed beside them. */
export function messageRange(offset: number, length: number, messageLengthBytes: number): ByteRange {
  const [first, last] = chunksFor(offset, length, messageLengthBytes)
  return {
    from: MESSAGE_HEAD_BYTES + first * SEALED_CHUNK_BYTES,
    to: Math.min(MESSAGE_HEAD_BYTES + (last + 1) * SEALED_CHUNK_BYTES, messageLengthBytes),
  }
}

function requireCount(value: number, name: string): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`${name} must be a whole number, not ${value}`)
}
