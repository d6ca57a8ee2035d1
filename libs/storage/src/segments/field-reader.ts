import { crc32 } from 'node:zlib'
import { segmentDamaged } from './segment-damage.js'

const ZERO_ID = '00000000-0000-0000-0000-000000000000'

/** Reads the fields of one structure of a segment, refusing by name what cannot stand there. Offsets are within it. */
export class FieldReader {
  readonly #bytes: Buffer
  readonly #object: string
  readonly #place: string

  /** `bytes` must be the structure whole: its caller has checked the bounds. */
  constructor(bytes: Uint8Array, object: string, place: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#object = object
    this.#place = place
  }

  fail(problem: string): never {
    throw segmentDamaged(this.#object, this.#place, problem)
  }

  magic(offset: number, expected: Buffer): void {
    if (!this.#bytes.subarray(offset, offset + expected.length).equals(expected))
      this.fail('does not start as one does')
  }

  /** Checks that the CRC-32 of all bytes before `offset` stands there. */
  checksum(offset: number): void {
    if (this.#bytes.readUInt32BE(offset) !== crc32(this.#bytes.subarray(0, offset)))
      this.fail('does not fit its checksum')
  }

  zero(from: number, to: number): void {
    if (this.#bytes.subarray(from, to).some((byte) => byte !== 0))
      this.fail('has bytes set that must be zero')
  }

  u8(offset: number): number {
    return this.#bytes.readUInt8(offset)
  }

  u32(offset: number): number {
    return this.#bytes.readUInt32BE(offset)
  }

  /** A u64 that JavaScript can count with. */
  u64(offset: number): number {
    const value = this.#bytes.readBigUInt64BE(offset)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.fail('has a number beyond 2^53')
    return Number(value)
  }

  id(offset: number): string {
    const hex = this.#bytes.toString('hex', offset, offset + 16)
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  }

  idOrNull(offset: number): string | null {
    const id = this.id(offset)
    return id === ZERO_ID ? null : id
  }

  bytes(from: number, to: number): Buffer {
    return this.#bytes.subarray(from, to)
  }
}
