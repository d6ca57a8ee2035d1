import type { MessagePort } from 'node:worker_threads'
import type { WakeHandle } from './wake.js'

/** To the notifier thread: serve one more client. */
export interface NotifierAttach {
  port: MessagePort
  wake: WakeHandle | undefined
}

/** From a client: write these notifications. */
export interface NotificationMessage {
  id: number
  batch: Uint8Array
}

/** A notification the kernel did not take, by its place in the batch; `code` is an errno's name. */
export interface RefusedNotification {
  index: number
  code: string
}

/** To a client: the kernel has forgotten everything in the batch, but for what it refused. */
export interface NotificationAck {
  id: number
  refused: RefusedNotification[]
}
