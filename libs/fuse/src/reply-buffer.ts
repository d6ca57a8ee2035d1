/** Bytes of `struct fuse_out_header`, which starts every answer. */
export const OUT_HEADER_BYTES = 16

const TWO_32 = 0x1_0000_0000

/**
 * The one buffer that answers are built in: `len u32, error i32, unique u64`, then the body. Offsets given
 * to the methods count from the start of the body. An answer is written by a system call before the next
 * one is begun, so the buffer is never shared, except while a directory reply packs entries: `owner`.
 */
export class ReplyBuffer {
  readonly bytes: Buffer
  readonly words: Uint32Array
  /** The reply whose entries are in the buffer, until another answer overwrites them. */
  owner: object | undefined

  constructor(bodyBytesMax: number) {
    const memory = new ArrayBuffer(OUT_HEADER_BYTES + bodyBytesMax)
    this.bytes = Buffer.from(memory)
    this.words = new Uint32Array(memory)
  }

  header(bodyBytes: number, error: number, uniqueLow: number, uniqueHigh: number): void {
    this.words[0] = OUT_HEADER_BYTES + bodyBytes
    this.words[1] = error
    this.words[2] = uniqueLow
    this.words[3] = uniqueHigh
  }

  u32(offset: number, value: number): void {
    this.words[(OUT_HEADER_BYTES + offset) >>> 2] = value
  }

  /** Any integer, negative ones as two's complement. */
  u64(offset: number, value: number): void {
    const index = (OUT_HEADER_BYTES + offset) >>> 2
    this.words[index] = value
    this.words[index + 1] = Math.floor(value / TWO_32)
  }

  u16(offset: number, value: number): void {
    this.bytes.writeUInt16LE(value, OUT_HEADER_BYTES + offset)
  }

  /** Copies bytes, or a string as UTF-8, and returns how many bytes that was. */
  put(offset: number, bytes: Uint8Array | string): number {
    const at = OUT_HEADER_BYTES + offset
    if (typeof bytes === 'string') return this.bytes.write(bytes, at, 'utf8')
    this.bytes.set(bytes, at)
    return bytes.length
  }

  zero(offset: number, end: number): void {
    this.bytes.fill(0, OUT_HEADER_BYTES + offset, OUT_HEADER_BYTES + end)
  }
}
