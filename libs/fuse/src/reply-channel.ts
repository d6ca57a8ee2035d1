import { writevSync } from 'node:fs'
import { ERRNO, errnoName } from './errno.js'
import { lastErrno, write } from './libc.js'
import type { FuseLogger } from './logger.js'
import { opcodeName } from './opcodes.js'
import { OUT_HEADER_BYTES, ReplyBuffer } from './reply-buffer.js'

/** Up to here copying behind the header is cheaper than a second vector through Node's own `writev`. */
const COPY_BYTES_MAX = 64 * 1024

/** A request on its way to an answer, as the channel sees it. */
export interface OutstandingReply {
  readonly unique: number
  readonly opcode: number
  /** The caller was interrupted. */
  interrupt(): void
  /** Whether the kernel may hold locks of that node for the request. */
  concerns(nodeid: number): boolean
  /** Has something done once the request is answered. */
  afterwards(callback: () => void): void
  /** What `afterwards` was given, once. */
  takeAfterwards(): (() => void)[]
}

/** Writes answers to the kernel and keeps account of the requests that have none yet. */
export class ReplyChannel {
  readonly out: ReplyBuffer
  readonly #fd: number
  readonly #logger: FuseLogger
  readonly #outstanding = new Map<number, OutstandingReply>()

  constructor(fd: number, bodyBytesMax: number, logger: FuseLogger) {
    this.#fd = fd
    this.out = new ReplyBuffer(bodyBytesMax)
    this.#logger = logger
  }

  /** Remembers a reply that its handler kept, so that an interrupt finds it. */
  keep(reply: OutstandingReply): void {
    this.#outstanding.set(reply.unique, reply)
  }

  /** Tells an outstanding request's handler that the caller gave up; unknown means it was just answered. */
  interrupt(unique: number): void {
    this.#outstanding.get(unique)?.interrupt()
  }

  get outstanding(): number {
    return this.#outstanding.size
  }

  /** Calls back when every reply kept now that concerns a node is answered; at once where there is none. */
  afterAnswers(nodeid: number, callback: () => void): void {
    let waiting = 0
    for (const reply of this.#outstanding.values()) {
      if (!reply.concerns(nodeid)) continue
      waiting += 1
      reply.afterwards(() => {
        waiting -= 1
        if (waiting === 0) callback()
      })
    }
    if (waiting === 0) callback()
  }

  /** Sends the header and the first `bodyBytes` of the buffer. */
  send(
    reply: OutstandingReply,
    bodyBytes: number,
    error: number,
    uniqueLow: number,
    uniqueHigh: number,
  ): void {
    this.out.header(bodyBytes, error, uniqueLow, uniqueHigh)
    const size = OUT_HEADER_BYTES + bodyBytes
    while (write(this.#fd, this.out.bytes, size) < 0) {
      const errno = lastErrno()
      if (errno === ERRNO.EINTR) continue
      this.#refused(reply, errnoName(errno))
      break
    }
    this.#answered(reply)
  }

  sendBytes(reply: OutstandingReply, bytes: Uint8Array, uniqueLow: number, uniqueHigh: number): void {
    if (bytes.length <= COPY_BYTES_MAX) {
      this.out.put(0, bytes)
      this.send(reply, bytes.length, 0, uniqueLow, uniqueHigh)
      return
    }
    this.out.header(bytes.length, 0, uniqueLow, uniqueHigh)
    try {
      writevSync(this.#fd, [this.out.bytes.subarray(0, OUT_HEADER_BYTES), bytes])
    } catch (error) {
      this.#refused(reply, error instanceof Error && 'code' in error ? String(error.code) : String(error))
    }
    this.#answered(reply)
  }

  #answered(reply: OutstandingReply): void {
    if (!this.#outstanding.delete(reply.unique)) return
    for (const callback of reply.takeAfterwards()) {
      try {
        callback()
      } catch (error) {
        this.#logger.error({ err: error }, 'a callback after an answer failed')
      }
    }
  }

  // ENOENT: the caller died meanwhile, nobody waits. ENODEV: unmounted. Both are part of life.
  #refused(reply: OutstandingReply, code: string): void {
    if (code === 'ENOENT' || code === 'ENODEV' || code === 'ECONNABORTED') return
    this.#logger.error({ operation: opcodeName(reply.opcode), code }, 'the kernel refused an answer')
  }
}
