import { closeSync, writeSync } from 'node:fs'
import { eventfd, lastErrno, read } from './libc.js'
import { errnoName } from './errno.js'

const EFD_CLOEXEC = 0o2000000
const EFD_NONBLOCK = 0o4000

/** Everything another thread of this process needs to wake a session; goes through `postMessage` as it is. */
export interface WakeHandle {
  /** An eventfd: one descriptor, and unlike a pipe it can never be full. */
  fd: number
  /** One `Int32`: 1 from a wake-up until the woken thread has seen it. */
  flag: SharedArrayBuffer
}

/** Makes the means to wake one session. Close it once nobody uses it any more. */
export function createWakeHandle(): WakeHandle {
  const fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
  if (fd < 0) throw new Error(`eventfd: ${errnoName(lastErrno())}`)
  return { fd, flag: new SharedArrayBuffer(4) }
}

/** Releases the descriptor. Waking afterwards would hit whatever file got its number: stop all users first. */
export function closeWakeHandle(handle: WakeHandle): void {
  closeSync(handle.fd)
}

const ONE = Buffer.from(BigUint64Array.of(1n).buffer)

/** Wakes a session, from any thread. Post the message first: the session reads its ports on waking. */
export class Waker {
  readonly #fd: number
  readonly #flag: Int32Array

  constructor(handle: WakeHandle) {
    this.#fd = handle.fd
    this.#flag = new Int32Array(handle.flag)
  }

  /** Costs a system call only where no earlier wake-up is still unseen. */
  wake(): void {
    if (Atomics.exchange(this.#flag, 0, 1) === 0) writeSync(this.#fd, ONE)
  }
}

/** The sleeping side of a wake handle. */
export class WakeReceiver {
  readonly fd: number
  readonly #flag: Int32Array
  readonly #counter = Buffer.alloc(8)

  constructor(handle: WakeHandle) {
    this.fd = handle.fd
    this.#flag = new Int32Array(handle.flag)
  }

  get woken(): boolean {
    return Atomics.load(this.#flag, 0) !== 0
  }

  /**
   * Call before looking for messages. The counter goes first: a waker between the two steps then finds the
   * flag up and writes nothing, but its message is there already, and is read after this.
   */
  clear(): void {
    read(this.fd, this.#counter, 8)
    Atomics.store(this.#flag, 0, 0)
  }
}
