import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads'
import type { NotificationBatch } from './notification.js'
import type { NotificationAck, NotificationMessage, RefusedNotification } from './notifier-messages.js'
import type { WakeHandle } from './wake.js'

/** A way to the notifier for one thread. Post it with `transferList: [connection.port]`. */
export interface NotifierConnection {
  port: MessagePort
  /** Set for a thread that never runs its event loop: acknowledgements wake it, and it calls `drain`. */
  wake: WakeHandle | undefined
}

/** Called once the kernel has forgotten; `refused` is empty unless it would not. */
export type NotificationCallback = (refused: readonly RefusedNotification[]) => void

/** Sends notifications to the notifier thread and learns when the kernel has forgotten. */
export class NotifierClient {
  readonly #port: MessagePort
  readonly #drained: boolean
  readonly #waiting = new Map<number, NotificationCallback>()
  #nextId = 0

  constructor(connection: NotifierConnection) {
    this.#port = connection.port
    this.#drained = connection.wake !== undefined
    if (!this.#drained) {
      this.#port.on('message', (ack: NotificationAck) => this.#acknowledged(ack))
      this.#port.unref()
    }
  }

  /** Batches that the kernel has not answered yet. */
  get outstanding(): number {
    return this.#waiting.size
  }

  /** Sends a batch, and empties it. An empty batch is acknowledged too, after all sent before it. */
  send(batch: NotificationBatch, onForgotten: NotificationCallback): void {
    const id = this.#nextId
    this.#nextId += 1
    this.#waiting.set(id, onForgotten)
    // A thread with an event loop stays alive as long as it waits for an answer, and not longer.
    if (!this.#drained) this.#port.ref()
    const bytes = batch.take()
    const message: NotificationMessage = { id, batch: bytes }
    this.#port.postMessage(message, [bytes.buffer])
  }

  /** The same as a promise, for threads that run their event loop. */
  notify(batch: NotificationBatch): Promise<readonly RefusedNotification[]> {
    return new Promise((resolve) => {
      this.send(batch, resolve)
    })
  }

  /** Delivers the acknowledgements that have arrived; call it from the session's `onWake`. */
  drain(): void {
    for (let received = receiveMessageOnPort(this.#port); received !== undefined;) {
      this.#acknowledged(received.message as NotificationAck)
      received = receiveMessageOnPort(this.#port)
    }
  }

  close(): void {
    this.#port.close()
  }

  #acknowledged(ack: NotificationAck): void {
    const callback = this.#waiting.get(ack.id)
    this.#waiting.delete(ack.id)
    if (!this.#drained && this.#waiting.size === 0) this.#port.unref()
    callback?.(ack.refused)
  }
}
