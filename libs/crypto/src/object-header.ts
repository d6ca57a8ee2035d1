import { AgentfsError } from '@agentfs/contracts'

/** Bytes of the header in front of a sealed object; sealed-object.ts shows its layout. */
export const OBJECT_HEADER_BYTES = 16

/** What a sealed object holds. Numbers are for ever: a retired kind leaves a gap. */
export const OBJECT_KINDS = {
  /** Up to 1 MiB of a file's content, or a page of extents. */
  part: 1,
  /** What a version is made of. */
  manifest: 2,
  /** One record, or a block of many. */
  record: 3,
  /** A tree as of one address, which bounds how far recovery replays. */
  tree_image: 4,
  /** The kept answer to a store's last push [SY-8]. */
  answer: 5,
  /** A value in a client's own store. */
  client_store: 6,
  /** Which versions are beginnings of another one. */
  prefixes: 7,
} as const

/** Name of what a sealed object holds. */
export type ObjectKind = keyof typeof OBJECT_KINDS

/** What the header of a sealed object says, before anything proves it. */
export interface ObjectHeader {
  readonly kind: ObjectKind
  readonly keyVersion: number
}

/** The 16 bytes of a header. */
export function encodeObjectHeader(kind: ObjectKind, keyVersion: number): Buffer {
  const header = Buffer.alloc(OBJECT_HEADER_BYTES)
  header.set(MAGIC, 0)
  header.writeUInt8(SUITE_COBBLESTONE_256, 4)
  header.writeUInt8(OBJECT_KINDS[kind], 5)
  header.writeUInt32BE(keyVersion, 8)
  return header
}

/** Reads a header, to choose the key to open with; `object_corrupt` when it is none of ours. */
export function readObjectHeader(sealed: Uint8Array): ObjectHeader {
  if (sealed.length < OBJECT_HEADER_BYTES) throw new AgentfsError('object_corrupt', { reason: 'length' })
  const header = Buffer.from(sealed.buffer, sealed.byteOffset, OBJECT_HEADER_BYTES)
  const kind = KINDS_BY_NUMBER.get(header.readUInt8(5))
  const known =
    MAGIC.equals(header.subarray(0, 4)) &&
    header.readUInt8(4) === SUITE_COBBLESTONE_256 &&
    header.readUInt16BE(6) === 0 &&
    header.readUInt32BE(12) === 0
  if (!known || kind === undefined) throw new AgentfsError('object_corrupt', { reason: 'header' })
  return { kind, keyVersion: header.readUInt32BE(8) }
}

const MAGIC = Buffer.from('AFS1', 'ascii')
const SUITE_COBBLESTONE_256 = 1
const KINDS = [
  'part',
  'manifest',
  'record',
  'tree_image',
  'answer',
  'client_store',
  'prefixes',
] as const satisfies ObjectKind[]
const KINDS_BY_NUMBER = new Map<number, ObjectKind>(KINDS.map((kind) => [OBJECT_KINDS[kind], kind]))
