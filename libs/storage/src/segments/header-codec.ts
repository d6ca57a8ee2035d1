import { crc32 } from 'node:zlib'
import { isUuid } from '@agentfs/contracts'
import { writeId } from './field-writer.js'
import { FieldReader } from './field-reader.js'
import type { SegmentHeader } from './segment.js'
import { segmentDamaged } from './segment-damage.js'
import { HEADER_BYTES, HEADER_MAGIC, SEGMENT_VERSION } from './segment-layout.js'

/** Writes the header at the start of `target`. */
export function writeHeader(target: Buffer, header: SegmentHeader, entryCount: number): void {
  HEADER_MAGIC.copy(target, 0)
  target.writeUInt8(SEGMENT_VERSION, 4)
  writeId(target, 8, header.segmentId)
  writeId(target, 24, header.tenantId)
  writeId(target, 40, header.streamId)
  if (header.agentId !== null) writeId(target, 56, header.agentId)
  target.writeUInt32BE(header.epoch, 72)
  target.writeUInt32BE(entryCount, 76)
  target.writeBigUInt64BE(BigInt(header.firstSeq), 80)
  target.writeBigUInt64BE(BigInt(header.lastSeq), 88)
  target.writeUInt32BE(crc32(target.subarray(0, 108)), 108)
}

/** Reads the header from the first bytes of an object, which must be that of the object's own key. */
export function readHeader(bytes: Uint8Array, object: string): { header: SegmentHeader; entryCount: number } {
  if (bytes.length < HEADER_BYTES) throw segmentDamaged(object, 'the header', 'is cut off')
  const reader = new FieldReader(bytes.subarray(0, HEADER_BYTES), object, 'the header')
  reader.magic(0, HEADER_MAGIC)
  const version = reader.u8(4)
  if (version !== SEGMENT_VERSION) reader.fail(`has version ${version}, which this program does not read`)
  reader.checksum(108)
  reader.zero(5, 8)
  reader.zero(96, 108)
  const header = {
    segmentId: reader.id(8),
    tenantId: reader.id(24),
    streamId: reader.id(40),
    agentId: reader.idOrNull(56),
    epoch: reader.u32(72),
    firstSeq: reader.u64(80),
    lastSeq: reader.u64(88),
  }
  // A segment under another's key would hold other commits than the rows and the key say.
  const named = object.slice(object.lastIndexOf('/') + 1)
  if (isUuid(named) && named !== header.segmentId) reader.fail(`is that of segment ${header.segmentId}`)
  const entryCount = reader.u32(76)
  if (header.firstSeq > header.lastSeq) reader.fail('has its first seq after its last')
  if (entryCount === 0) reader.fail('counts no entries')
  return { header, entryCount }
}
