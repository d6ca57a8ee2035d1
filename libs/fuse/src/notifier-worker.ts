import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { ERRNO, errnoName } from './errno.js'
import { lastErrno, write } from './libc.js'
import { eachNotification } from './notification.js'
import type {
  NotificationAck,
  NotificationMessage,
  NotifierAttach,
  RefusedNotification,
} from './notifier-messages.js'
import { Waker } from './wake.js'

// Runs in a thread of its own and does nothing but write notifications: a write may wait in the kernel for
// requests in flight, which other threads must stay free to answer.

const { fd } = workerData as { fd: number }

parentPort?.on('message', ({ port, wake }: NotifierAttach) => {
  const waker = wake === undefined ? undefined : new Waker(wake)
  port.on('message', ({ id, batch }: NotificationMessage) => {
    acknowledge(port, { id, refused: deliver(batch) })
    waker?.wake()
  })
})

// All is loaded: from here on the thread may be ended.
parentPort?.postMessage('loaded')

function acknowledge(port: MessagePort, ack: NotificationAck): void {
  port.postMessage(ack)
}

/** Writes each notification; what the kernel does not know (ENOENT) it has forgotten already. */
function deliver(batch: Uint8Array): RefusedNotification[] {
  const refused: RefusedNotification[] = []
  let index = 0
  for (const notification of eachNotification(batch)) {
    let errno = 0
    do errno = write(fd, notification, notification.length) < 0 ? lastErrno() : 0
    while (errno === ERRNO.EINTR)
    if (errno !== 0 && errno !== ERRNO.ENOENT) refused.push({ index, code: errnoName(errno) })
    index += 1
  }
  return refused
}
