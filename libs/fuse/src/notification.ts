/** `FUSE_NOTIFY_*`: what a filesystem tells the kernel unasked. */
const NOTIFY = { INVAL_INODE: 2, INVAL_ENTRY: 3, STORE: 4, DELETE: 6, INC_EPOCH: 8 } as const

const EXPIRE_ONLY = 1 << 0
const HEADER_BYTES = 16
const TWO_32 = 0x1_0000_0000

/**
 * Notifications for the kernel, in order, as the kernel reads them and end to end: each starts with
 * `len u32, code i32, unique u64 = 0`. A batch costs one message to the notifier however long it is.
 */
export class NotificationBatch {
  #bytes = Buffer.from(new ArrayBuffer(1024))
  #words = new Uint32Array(this.#bytes.buffer)
  /** Each notification starts at a multiple of 8; its own `len` does not count the padding. */
  #length = 0
  #count = 0

  /** How many notifications were added. */
  get count(): number {
    return this.#count
  }

  /**
   * Forget a node's attributes and the pages of a range; `length` 0 is to the end. `offset` below 0 is
   * attributes only. A range waits for reads of it that are in flight: never call from a request's handler
   * and wait. `nodeid u64, off i64, len i64`
   */
  invalInode(nodeid: number, offset = 0, length = 0): this {
    const at = this.#begin(NOTIFY.INVAL_INODE, 24)
    this.#u64(at, nodeid)
    this.#u64(at + 8, offset)
    this.#u64(at + 16, length)
    return this
  }

  /**
   * Forget a name in a directory. `expireOnly` only ends its lifetime, so that the next use asks; without
   * it a busy directory below is detached from its users. `parent u64, namelen u32, flags u32, name, NUL`
   */
  invalEntry(parent: number, name: Uint8Array, options: { expireOnly?: boolean } = {}): this {
    const at = this.#begin(NOTIFY.INVAL_ENTRY, 16 + name.length + 1)
    this.#u64(at, parent)
    this.#words[(at + 8) >>> 2] = name.length
    this.#words[(at + 12) >>> 2] = options.expireOnly === true ? EXPIRE_ONLY : 0
    this.#name(at + 16, name)
    return this
  }

  /**
   * A name was deleted: as `invalEntry`, and watchers and users of the child see a deletion.
   * `parent u64, child u64, namelen u32, padding u32, name, NUL`
   */
  delete(parent: number, child: number, name: Uint8Array): this {
    const at = this.#begin(NOTIFY.DELETE, 24 + name.length + 1)
    this.#u64(at, parent)
    this.#u64(at + 8, child)
    this.#words[(at + 16) >>> 2] = name.length
    this.#words[(at + 20) >>> 2] = 0
    this.#name(at + 24, name)
    return this
  }

  /** Put bytes into a node's page cache. `nodeid u64, offset u64, size u32, padding u32, bytes` */
  store(nodeid: number, offset: number, bytes: Uint8Array): this {
    const at = this.#begin(NOTIFY.STORE, 24 + bytes.length)
    this.#u64(at, nodeid)
    this.#u64(at + 8, offset)
    this.#words[(at + 16) >>> 2] = bytes.length
    this.#words[(at + 20) >>> 2] = 0
    this.#bytes.set(bytes, at + 24)
    return this
  }

  /**
   * Forget every name at once. Kernels before 7.44 refuse it, and say so in the result: then `invalEntry`
   * each name that was handed out.
   */
  incrementEpoch(): this {
    this.#begin(NOTIFY.INC_EPOCH, 0)
    return this
  }

  /** The bytes, to be given away; the batch is empty afterwards. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = new Uint8Array(this.#bytes.buffer, 0, this.#length)
    this.#bytes = Buffer.from(new ArrayBuffer(1024))
    this.#words = new Uint32Array(this.#bytes.buffer)
    this.#length = 0
    this.#count = 0
    return taken
  }

  /** Lays down a header and returns where the body starts. */
  #begin(code: number, bodyBytes: number): number {
    const at = this.#length
    const end = at + HEADER_BYTES + bodyBytes
    this.#reserve(end)
    this.#words.fill(0, at >>> 2, (at + HEADER_BYTES) >>> 2)
    this.#words[at >>> 2] = HEADER_BYTES + bodyBytes
    this.#words[(at >>> 2) + 1] = code
    this.#length = align(end)
    this.#count += 1
    return at + HEADER_BYTES
  }

  #reserve(end: number): void {
    if (align(end) <= this.#bytes.length) return
    const grown = Buffer.from(new ArrayBuffer(align(Math.max(end, this.#bytes.length * 2))))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
    this.#words = new Uint32Array(grown.buffer)
  }

  #u64(at: number, value: number): void {
    this.#words[at >>> 2] = value
    this.#words[(at >>> 2) + 1] = Math.floor(value / TWO_32)
  }

  #name(at: number, name: Uint8Array): void {
    this.#bytes.set(name, at)
    this.#bytes[at + name.length] = 0
  }
}

/** The single notifications of a batch, each as the kernel takes it. */
export function* eachNotification(batch: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength)
  for (let at = 0; at < batch.length;) {
    const length = view.getUint32(at, true)
    yield batch.subarray(at, at + length)
    at = align(at + length)
  }
}

function align(offset: number): number {
  return (offset + 7) & ~7
}
