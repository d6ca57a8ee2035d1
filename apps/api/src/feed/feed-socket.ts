import type { FeedFrame } from '@agentfs/contracts'
import { WebSocket } from 'ws'
import { encodeWire } from '../http/wire.js'

/** Why a feed ends; 4000 and up are ours, and a client resumes after all but `refused` and `epoch`. */
export const CLOSE_CODES = {
  /** The service goes away; come back and resume. */
  restart: 1012,
  /** The client reads too slowly, or something failed here; come back and resume. */
  again: 1013,
  /** A frame that is no FeedClientFrame. */
  malformed: 1003,
  /** The credential no longer holds. */
  refused: 4401,
  /** The epoch is over; take a snapshot. */
  epoch: 4410,
} as const

/** Frames out, with backpressure: a frame counts as sent when the kernel has taken it. */
export class FeedSocket {
  readonly #socket: WebSocket
  readonly #onSent: (type: string) => void
  #writing = 0
  /** When the kernel last took a frame, or writing began. */
  #progressAtMs = 0

  constructor(socket: WebSocket, onSent: (type: string) => void) {
    this.#socket = socket
    this.#onSent = onSent
  }

  /** True while frames can be sent. */
  get open(): boolean {
    return this.#socket.readyState === WebSocket.OPEN
  }

  /** Sends one frame; rejects when the connection is gone before it was written. */
  async send(frame: FeedFrame): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    if (this.#writing++ === 0) this.#progressAtMs = performance.now()
    this.#socket.send(encodeWire('msgpack', frame), { binary: true }, (error) => {
      this.#writing--
      this.#progressAtMs = performance.now()
      if (error) reject(error)
      else resolve()
    })
    await promise
    this.#onSent(frame.type)
  }

  /** True where the client takes frames too slowly to be of use. */
  get stalled(): boolean {
    const stuck = this.#writing > 0 && performance.now() - this.#progressAtMs > STALL_MS_MAX
    return stuck || this.#socket.bufferedAmount > BUFFERED_BYTES_MAX
  }

  /** Says goodbye; a client that does not answer it is cut off. */
  close(code: number, reason: string): void {
    this.#socket.close(code, reason)
    setTimeout(() => this.#socket.terminate(), GOODBYE_MS_MAX).unref()
  }
}

const BUFFERED_BYTES_MAX = 4 * 1_048_576
const STALL_MS_MAX = 10_000
const GOODBYE_MS_MAX = 2_000
