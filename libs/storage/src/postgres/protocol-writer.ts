/** A parameter: text as Postgres reads it, or bytes as they are. */
export type ParameterValue = string | Uint8Array | null

/**
 * Writes messages of the extended query protocol one behind the other into one piece of memory, to be sent in one call.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export class ProtocolWriter {
  #bytes = Buffer.allocUnsafe(START_BYTES)
  #at = 0

  /** Makes a statement, the unnamed one for ''. */
  parse(name: string, text: string): this {
    const start = this.#begin('P')
    this.#text(name)
    this.#text(text)
    this.#int16(0)
    return this.#end(start)
  }

  /** Asks for a statement's columns. */
  describe(name: string): this {
    const start = this.#begin('D')
    this.#byte('S')
    this.#text(name)
    return this.#end(start)
  }

  /** Gives a statement its parameters; rows come as text. */
  bind(name: string, values: readonly ParameterValue[]): this {
    const start = this.#begin('B')
    this.#text('')
    this.#text(name)
    this.#int16(values.length)
    for (const value of values) this.#int16(value instanceof Uint8Array ? BINARY : TEXT)
    this.#int16(values.length)
    for (const value of values) this.#value(value)
    this.#int16(0)
    return this.#end(start)
  }

  /** Runs what was bound last, to its end. */
  execute(): this {
    const start = this.#begin('E')
    this.#text('')
    this.#int32(0)
    return this.#end(start)
  }

  /** Ends what is answered together. */
  sync(): this {
    return this.#end(this.#begin('S'))
  }

  /** All that was written, and an empty writer again. */
  take(): Buffer {
    const written = this.#bytes.subarray(0, this.#at)
    this.#bytes = Buffer.allocUnsafe(START_BYTES)
    this.#at = 0
    return written
  }

  #begin(type: string): number {
    this.#byte(type)
    const start = this.#at
    this.#int32(0)
    return start
  }

  /** The length goes where the message began; it counts itself. */
  #end(start: number): this {
    this.#bytes.writeInt32BE(this.#at - start, start)
    return this
  }

  #value(value: ParameterValue): void {
    if (value === null) {
      this.#int32(-1)
    } else if (typeof value === 'string') {
      const start = this.#at
      this.#int32(0)
      this.#utf8(value)
      this.#bytes.writeInt32BE(this.#at - start - 4, start)
    } else {
      this.#int32(value.length)
      this.#room(value.length)
      this.#bytes.set(value, this.#at)
      this.#at += value.length
    }
  }

  #text(text: string): void {
    this.#utf8(text)
    this.#byte('\0')
  }

  #utf8(text: string): void {
    this.#room(text.length * UTF8_BYTES_MAX)
    this.#at += this.#bytes.write(text, this.#at, 'utf8')
  }

  #byte(character: string): void {
    this.#room(1)
    this.#bytes.writeUInt8(character.charCodeAt(0), this.#at)
    this.#at += 1
  }

  #int16(value: number): void {
    this.#room(2)
    this.#bytes.writeUInt16BE(value, this.#at)
    this.#at += 2
  }

  #int32(value: number): void {
    this.#room(4)
    this.#bytes.writeInt32BE(value, this.#at)
    this.#at += 4
  }

  #room(count: number): void {
    const needed = this.#at + count
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}

const START_BYTES = 4_096
/** Of one unit of a JavaScript string. */
const UTF8_BYTES_MAX = 3
const TEXT = 0
const BINARY = 1
