import { closeWakeHandle, createWakeHandle, mountFuse, Notifier, Waker } from '@agentfs/fuse'
import { once } from 'node:events'
import { MessageChannel, Worker } from 'node:worker_threads'
import type {
  ServeAnswer,
  ServeCommand,
  ServeOptions,
  ServeOrder,
  ServeThreadData,
} from './serve-messages.js'

// A process that mounts and serves the reference filesystem and takes commands over its IPC channel. The
// mount is served from another process than the one that uses it, so that no test can wait for itself.

function report(message: ServeAnswer | { failed: string }): void {
  if (process.connected) process.send?.(message)
}

const options = JSON.parse(process.argv[2] ?? '') as ServeOptions
const mount = await mountFuse(options.dir, {
  fsname: 'reference, filesystem',
  subtype: 'agentfs',
  ...options,
})
const wake = createWakeHandle()
const waker = new Waker(wake)
const notifier = new Notifier(mount.fd)
const { port1, port2 } = new MessageChannel()
const connection = notifier.connect(wake)
process.send?.('ready')
const data: ServeThreadData = { fd: mount.fd, options, wake, port: port2, connection }
const thread = new Worker(new URL('./serve-thread.js', import.meta.url), {
  workerData: data,
  transferList: [port2, connection.port],
})

port1.on('message', (answer: ServeAnswer) => report(answer))
process.on('message', (message: { id: number; command: ServeCommand } | ServeOrder) => {
  if (typeof message === 'string') {
    if (message === 'exit') process.exit(3)
    mount
      .unmount({ lazy: message === 'detach', force: message === 'force' })
      .catch((error: unknown) => report({ failed: String(error) }))
    return
  }
  port1.postMessage(message)
  waker.wake()
})
// The test went away: leave nothing mounted.
process.once('disconnect', () => void mount.unmount({ lazy: true }).catch(() => process.exit(1)))
await once(thread, 'exit')
await notifier.close()
mount.close()
closeWakeHandle(wake)
port1.close()
process.removeAllListeners('disconnect')
if (process.connected) process.disconnect()
