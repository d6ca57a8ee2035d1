/** Bytes of `struct fuse_in_header`, which starts every request. */
const IN_HEADER_BYTES = 40

/** A request whose bytes do not make sense; the kernel sends none, so the caller is answered `EIO`. */
export class MalformedRequestError extends Error {
  override name = 'MalformedRequestError'
}

const TWO_32 = 0x1_0000_0000
const SLASH = 0x2f

/**
 * Reads one request at a time out of the receive buffer.
 *
 * The header is `len u32, opcode u32, unique u64, nodeid u64, uid u32, gid u32, pid u32,
 * total_extlen u16, padding u16`; the body starts at byte 40 and all its integers are aligned, in host
 * order, which on every supported machine is little-endian. Offsets given to the methods count from the
 * start of the body, in bytes.
 */
export class RequestReader {
  readonly bytes: Buffer
  readonly #words: Uint32Array
  /** Bytes of the current request, header included. */
  #length = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2)
  }

  /** Points the reader at a request of `length` bytes that was just received. */
  begin(length: number): void {
    if (length < IN_HEADER_BYTES || this.#word(0) !== length) {
      throw new MalformedRequestError(`request of ${length} bytes says it has ${this.#word(0)}`)
    }
    this.#length = length
  }

  get opcode(): number {
    return this.#word(1)
  }
  get uniqueLow(): number {
    return this.#word(2)
  }
  get uniqueHigh(): number {
    return this.#word(3)
  }
  get unique(): number {
    return this.#word(2) + this.#word(3) * TWO_32
  }
  get nodeid(): number {
    return this.#word(4) + this.#word(5) * TWO_32
  }
  get uid(): number {
    return this.#word(6)
  }
  get gid(): number {
    return this.#word(7)
  }
  get pid(): number {
    return this.#word(8)
  }
  get bodyBytes(): number {
    return this.#length - IN_HEADER_BYTES
  }

  /** Refuses a request whose body is shorter than its fixed part. */
  need(bodyBytes: number): void {
    if (this.#length < IN_HEADER_BYTES + bodyBytes) {
      throw new MalformedRequestError(`opcode ${this.opcode} with a body of ${this.bodyBytes} bytes`)
    }
  }

  u32(offset: number): number {
    return this.#word((IN_HEADER_BYTES + offset) >>> 2)
  }

  u64(offset: number): number {
    const index = (IN_HEADER_BYTES + offset) >>> 2
    return this.#word(index) + this.#word(index + 1) * TWO_32
  }

  i64(offset: number): number {
    const index = (IN_HEADER_BYTES + offset) >>> 2
    return this.#word(index) + (this.#word(index + 1) | 0) * TWO_32
  }

  /** Where the NUL-terminated string at `offset` ends (the NUL's own offset). */
  stringEnd(offset: number): number {
    for (let at = IN_HEADER_BYTES + offset; at < this.#length; at += 1) {
      if (this.bytes[at] === 0) return at - IN_HEADER_BYTES
    }
    throw new MalformedRequestError(`opcode ${this.opcode} with an unterminated string`)
  }

  /** A directory entry's name: not empty, no slash. */
  entryName(offset: number, end: number): Buffer {
    const name = this.copy(offset, end)
    if (name.length === 0 || name.includes(SLASH)) {
      throw new MalformedRequestError(`opcode ${this.opcode} with an impossible name`)
    }
    return name
  }

  /** Bytes that outlive the request. */
  copy(offset: number, end: number): Buffer {
    const copy = Buffer.allocUnsafe(end - offset)
    this.bytes.copy(copy, 0, IN_HEADER_BYTES + offset, IN_HEADER_BYTES + end)
    return copy
  }

  /** Bytes that the next request overwrites. */
  view(offset: number, end: number): Buffer {
    return this.bytes.subarray(IN_HEADER_BYTES + offset, IN_HEADER_BYTES + end)
  }

  // Only reached below `#length`, which is within the buffer, or with offsets that `need` has vouched for.
  #word(index: number): number {
    return this.#words[index] as number
  }
}
