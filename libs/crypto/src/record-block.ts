// A block: consecutive records of one epoch of a stream, compressed together, then sealed as kind 3 under the block's id.
// Integers are big-endian.
//
//   0   "AFB1"
//   4   algorithm u8 = 1 (zstd, RFC 8878)
//   5   zero[3]
//   8   length u32           of what follows, before it was compressed
//   12  compressed
//
// compressed = records u32 | heads[28 each] | texts, one after the other, without gaps
// head       = record id[16] | seq u64 | bytes of text u32
//
// A text is the record's canonical JSON, byte for byte: the leaf in the log is over just these bytes. The heads stand
// together because they are alike, which is what compresses.
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { AgentfsError, isAgentfsError } from '@agentfs/contracts'
import {
  type ObjectBinding,
  openObject,
  type OpeningKey,
  sealObject,
  type SealingKey,
} from './sealed-object.js'
import { UUID_BYTES, uuidFromBytes, uuidToBytes } from './uuid-bytes.js'

/** A record within a block. */
export interface BlockRecord {
  /** The id it had while it was sealed by itself. */
  readonly recordId: string
  readonly seq: number
  /** Canonical JSON, UTF-8: what the leaf is over. */
  readonly text: Uint8Array
}

/** What a block is bound to, beside its own id. */
type BlockBinding = Pick<ObjectBinding, 'tenantId' | 'keyId'>

/** Bytes of records that a block may have before it is compressed: bounds what a wild length can make a reader allocate. */
const BLOCK_BYTES_MAX = 64 << 20

const MAGIC = Buffer.from('AFB1')
const ZSTD = 1
const HEAD_BYTES = UUID_BYTES + 8 + 4
const FIXED_BYTES = 12
/** Records are written once and kept for ever. */
const LEVEL = 12

/** Encodes and seals a block under the stream's key; throws what `encodeRecordBlock` throws. */
export function sealRecordBlock(
  target: BlockBinding & SealingKey,
  blockId: string,
  records: readonly BlockRecord[],
): Buffer {
  return sealObject({ ...target, kind: 'record', objectId: blockId }, encodeRecordBlock(records))
}

/** Opens a block; `object_corrupt`, naming it, where it is not the one that was sealed under that id. */
export function openRecordBlock(
  source: BlockBinding & OpeningKey,
  blockId: string,
  sealed: Uint8Array,
): BlockRecord[] {
  const bytes = openObject({ ...source, kind: 'record', objectId: blockId }, sealed)
  try {
    return decodeRecordBlock(bytes)
  } catch (error) {
    if (!isAgentfsError(error, 'object_corrupt')) throw error
    const named = { ...error.details, objectId: blockId, keyId: source.keyId }
    throw new AgentfsError('object_corrupt', named, { cause: error })
  }
}

/** The bytes of a block, to be sealed. Throws `invalid_request` unless the seqs follow one another, and above BLOCK_BYTES_MAX. */
export function encodeRecordBlock(records: readonly BlockRecord[]): Buffer {
  const [first] = records
  if (first === undefined) throw refused('no records')
  if (records.some(({ seq }, index) => seq !== first.seq + index)) throw refused('a gap')
  const heads = Buffer.alloc(4 + records.length * HEAD_BYTES)
  heads.writeUInt32BE(records.length, 0)
  for (const [index, { recordId, seq, text }] of records.entries()) {
    const at = 4 + index * HEAD_BYTES
    heads.set(uuidToBytes(recordId), at)
    heads.writeBigUInt64BE(BigInt(seq), at + UUID_BYTES)
    heads.writeUInt32BE(text.length, at + UUID_BYTES + 8)
  }
  const body = Buffer.concat([heads, ...records.map(({ text }) => text)])
  if (body.length > BLOCK_BYTES_MAX) throw refused(`${body.length} bytes`)
  const fixed = Buffer.alloc(FIXED_BYTES)
  fixed.set(MAGIC, 0)
  fixed.writeUInt8(ZSTD, 4)
  fixed.writeUInt32BE(body.length, 8)
  const params = { [constants.ZSTD_c_compressionLevel]: LEVEL }
  return Buffer.concat([fixed, zstdCompressSync(body, { params })])
}

/** Reads a block; `object_corrupt` unless it is whole and its seqs follow one another. Texts are views into one buffer. */
export function decodeRecordBlock(bytes: Uint8Array): BlockRecord[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.length < FIXED_BYTES || !view.subarray(0, 4).equals(MAGIC)) throw corrupt('format')
  // The algorithm, and zeroes.
  if (view.readUInt32BE(4) !== ZSTD << 24) throw corrupt('format')
  const body = decompressed(view.subarray(FIXED_BYTES), view.readUInt32BE(8))
  if (body.length < 4) throw corrupt('length')
  const count = body.readUInt32BE(0)
  let textAt = 4 + count * HEAD_BYTES
  if (count === 0 || textAt > body.length) throw corrupt('length')
  const records: BlockRecord[] = []
  for (let at = 4; records.length < count; at += HEAD_BYTES) {
    const seq = Number(body.readBigUInt64BE(at + UUID_BYTES))
    const end = textAt + body.readUInt32BE(at + UUID_BYTES + 8)
    const before = records.at(-1)
    if (!Number.isSafeInteger(seq) || (before !== undefined && seq !== before.seq + 1)) throw corrupt('seqs')
    if (end > body.length) throw corrupt('length')
    const recordId = uuidFromBytes(body.subarray(at, at + UUID_BYTES))
    records.push({ recordId, seq, text: body.subarray(textAt, end) })
    textAt = end
  }
  if (textAt !== body.length) throw corrupt('length')
  return records
}

function decompressed(compressed: Uint8Array, length: number): Buffer {
  if (length > BLOCK_BYTES_MAX) throw corrupt('length')
  let body: Buffer
  try {
    body = zstdDecompressSync(compressed, { maxOutputLength: Math.max(length, 1) })
  } catch (error) {
    throw corrupt('compression', error)
  }
  if (body.length !== length) throw corrupt('length')
  return body
}

function refused(why: string): AgentfsError {
  return new AgentfsError('invalid_request', { detail: `not a block of records: ${why}` })
}

function corrupt(reason: string, cause?: unknown): AgentfsError {
  return new AgentfsError('object_corrupt', { objectKind: 'recordBlock', reason }, { cause })
}
