import { decodeInit, decodeInterrupt } from './decode-control.js'
import { decodeBatchForget, decodeForget } from './decode-node.js'
import { operationTable, type Operation } from './dispatch.js'
import { ERRNO, errnoName, type ErrnoName } from './errno.js'
import { hasInitFlag } from './flags.js'
import type { FuseHandlers } from './handlers.js'
import { DEFAULT_INIT_FLAGS, INIT_OUT_BYTES, negotiate, putInit, type FuseSessionLimits } from './init.js'
import { addStatusFlags, lastErrno, poll, read, schedYield } from './libc.js'
import { silentLogger, type FuseLogger } from './logger.js'
import { OPCODE, opcodeName } from './opcodes.js'
import { Reply } from './reply.js'
import { ReplyChannel } from './reply-channel.js'
import { MalformedRequestError, RequestReader } from './request-reader.js'
import { WakeReceiver, type WakeHandle } from './wake.js'

const O_NONBLOCK = 0o4000
const POLLIN = 1

/**
 * Longest sleep. Nothing is done on waking but to notice that the thread is being terminated: without it a
 * process that exits, or fails, would wait for this thread for ever, and the mount hang instead of die.
 */
const SLEEP_MS = 500

/** Room for the headers in front of the largest WRITE; the kernel refuses to talk to a smaller buffer. */
const REQUEST_HEAD_BYTES = 4096

export interface FuseSessionOptions extends Partial<FuseSessionLimits> {
  /** A mounted `/dev/fuse` descriptor. The session never closes it. */
  fd: number
  handlers: FuseHandlers
  logger?: FuseLogger
  /** With `onWake`: how other threads reach the session. */
  wake?: WakeHandle
  /** Called on the session's thread after a wake-up; drain your ports here with `receiveMessageOnPort`. */
  onWake?: () => void
  /** The error number an exception of a handler stands for; undefined is a fault: logged, and `EIO`. */
  errnoOf?: (error: unknown) => ErrnoName | undefined
  /**
   * How long to keep looking for the next request before sleeping, in microseconds, always yielding the
   * processor to whoever wants it. Waking a sleeping thread on another processor costs far more than this.
   */
  spinUs?: number
}

/** Why `run` returned: the filesystem is gone, the connection was aborted, or `stop` was called. */
export type FuseSessionEnd = 'unmounted' | 'aborted' | 'stopped'

/** Serves one mount from the thread that calls `run`, which then does nothing else. */
export class FuseSession {
  readonly #fd: number
  readonly #handlers: FuseHandlers
  readonly #logger: FuseLogger
  readonly #limits: FuseSessionLimits
  readonly #wake: WakeReceiver | undefined
  readonly #onWake: () => void
  readonly #errnoOf: (error: unknown) => ErrnoName | undefined
  readonly #spinMs: number
  readonly #reader: RequestReader
  readonly #channel: ReplyChannel
  readonly #polled: Int32Array
  #operations: (Operation | undefined)[] = []
  #stopped = false
  /** When to go to sleep, while nothing can be read; 0 while there was something. */
  #spinUntil = 0

  constructor(options: FuseSessionOptions) {
    this.#fd = options.fd
    this.#handlers = options.handlers
    this.#logger = options.logger ?? silentLogger
    this.#limits = {
      writeBytesMax: options.writeBytesMax ?? 1024 * 1024,
      readaheadBytesMax: options.readaheadBytesMax ?? 1024 * 1024,
      backgroundMax: options.backgroundMax ?? 64,
      flags: options.flags ?? DEFAULT_INIT_FLAGS,
    }
    this.#wake = options.wake === undefined ? undefined : new WakeReceiver(options.wake)
    this.#onWake = options.onWake ?? (() => {})
    this.#errnoOf = options.errnoOf ?? (() => undefined)
    this.#spinMs = (options.spinUs ?? 50) / 1000
    this.#reader = new RequestReader(
      Buffer.from(new ArrayBuffer(this.#limits.writeBytesMax + REQUEST_HEAD_BYTES)),
    )
    this.#channel = new ReplyChannel(
      options.fd,
      this.#limits.writeBytesMax + REQUEST_HEAD_BYTES,
      this.#logger,
    )
    this.#polled = Int32Array.of(options.fd, POLLIN, this.#wake?.fd ?? -1, POLLIN)
    // A request may be withdrawn between poll and read; a blocking read would then sleep through wake-ups.
    addStatusFlags(options.fd, O_NONBLOCK)
  }

  /** Requests whose replies were kept and not used yet. */
  get outstanding(): number {
    return this.#channel.outstanding
  }

  /**
   * Calls back once every reply that is kept now and concerns a node is answered; at once where there is
   * none. Send notifications about a node (of a name: about its directory) from here: the kernel lets them
   * wait for such requests, and those behind them with them.
   */
  afterAnswers(nodeid: number, callback: () => void): void {
    this.#channel.afterAnswers(nodeid, callback)
  }

  /** Makes `run` return once the handler, reply or `onWake` it is called from is done. */
  stop(): void {
    this.#stopped = true
  }

  /** Serves until the filesystem is unmounted. Blocks the thread: no timers, promises or events run. */
  run(): FuseSessionEnd {
    const { bytes } = this.#reader
    while (!this.#stopped) {
      if (this.#wake?.woken === true) this.#woken()
      const size = read(this.#fd, bytes, bytes.length)
      if (size >= 0) {
        this.#spinUntil = 0
        this.#serve(size)
        continue
      }
      switch (lastErrno()) {
        case ERRNO.EAGAIN:
          this.#idle()
          break
        case ERRNO.EINTR:
        case ERRNO.ENOENT: // The request was withdrawn while it was being read.
          break
        case ERRNO.ENODEV:
          return 'unmounted'
        case ERRNO.ECONNABORTED:
          return 'aborted'
        default:
          throw new Error(`reading /dev/fuse: ${errnoName(lastErrno())}`)
      }
    }
    return 'stopped'
  }

  /** Nothing to read: lets others run and comes back at once for a while, then sleeps. */
  #idle(): void {
    if (this.#spinMs > 0) {
      const now = performance.now()
      if (this.#spinUntil === 0) this.#spinUntil = now + this.#spinMs
      if (now < this.#spinUntil) {
        schedYield()
        return
      }
      this.#spinUntil = 0
    }
    poll(this.#polled, 2, SLEEP_MS)
    // Seen here too, because a waker that raced with `clear` leaves the counter up without the flag.
    if ((this.#polled[3] as number) >>> 16 !== 0) this.#woken()
  }

  #woken(): void {
    this.#wake?.clear()
    try {
      this.#onWake()
    } catch (error) {
      this.#logger.error({ err: error }, 'onWake failed')
    }
  }

  #serve(size: number): void {
    const reader = this.#reader
    let reply: Reply | undefined
    try {
      reader.begin(size)
      const { opcode } = reader
      if (opcode === OPCODE.FORGET || opcode === OPCODE.BATCH_FORGET || opcode === OPCODE.INTERRUPT) {
        this.#serveSilent(opcode)
        return
      }
      reply = new Reply(this.#channel, reader)
      if (opcode === OPCODE.INIT || opcode === OPCODE.DESTROY) {
        this.#serveControl(opcode, reply)
        return
      }
      const operation = this.#operations[opcode]
      if (operation === undefined) {
        reply.error('ENOSYS')
        return
      }
      operation(this.#handlers, reader, reply)
      if (!reply.answered) this.#channel.keep(reply)
    } catch (error) {
      const code = this.#codeOf(error)
      reply?.error(code)
    }
  }

  /** Never throws: what goes wrong here must not end the loop that everybody waits for. */
  #codeOf(error: unknown): ErrnoName {
    try {
      const code = this.#errnoOf(error)
      if (code !== undefined) return code
      const message = error instanceof MalformedRequestError ? 'malformed request' : 'a handler failed'
      this.#logger.error({ err: error, operation: opcodeName(this.#reader.opcode) }, message)
    } catch {
      // The caller's own error mapping or logger failed; there is nobody left to tell.
    }
    return 'EIO'
  }

  /** Requests without an answer. */
  #serveSilent(opcode: number): void {
    const reader = this.#reader
    if (opcode === OPCODE.INTERRUPT) this.#channel.interrupt(decodeInterrupt(reader))
    else if (opcode === OPCODE.FORGET) this.#handlers.forget?.(decodeForget(reader))
    else if (this.#handlers.forget !== undefined) {
      for (const request of decodeBatchForget(reader)) this.#handlers.forget(request)
    }
  }

  #serveControl(opcode: number, reply: Reply): void {
    if (opcode === OPCODE.DESTROY) {
      this.#handlers.destroy?.()
      reply.ok()
      return
    }
    const connection = negotiate(decodeInit(this.#reader), this.#limits)
    if (connection === undefined) {
      this.#logger.error({}, 'the kernel speaks a FUSE protocol older than 7.31')
      reply.error('EPROTO')
      return
    }
    this.#operations = operationTable(this.#handlers, hasInitFlag(connection, 'SETXATTR_EXT'))
    this.#handlers.init?.(connection)
    putInit(this.#channel.out, connection, this.#limits)
    reply.encoded(INIT_OUT_BYTES)
  }
}
