import { once } from 'node:events'
import { MessageChannel, Worker } from 'node:worker_threads'
import { NotifierClient, type NotifierConnection } from './notifier-client.js'
import type { NotifierAttach } from './notifier-messages.js'
import type { WakeHandle } from './wake.js'

/**
 * The built file of the thread. Sources run by a test loader have no JavaScript beside them: there the
 * build of the same package is used.
 */
function workerUrl(): URL {
  const here = import.meta.url
  return new URL(here.endsWith('.ts') ? '../dist/notifier-worker.js' : './notifier-worker.js', here)
}

/**
 * The thread that tells the kernel what to forget. It must not be the one that answers requests: the kernel
 * lets an invalidation wait for reads in flight, and a forgotten name sends FORGETs that somebody must read.
 * One notification that waits holds up those behind it.
 */
export class Notifier {
  readonly #worker: Worker
  readonly #loaded: Promise<void>

  /** `fd` is the mounted `/dev/fuse` descriptor; keep it open until `close` has resolved. */
  constructor(fd: number) {
    this.#worker = new Worker(workerUrl(), {
      workerData: { fd },
      name: 'fuse-notifier',
      // The thread copies bytes and waits.
      resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 32 },
    })
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#worker.once('message', () => resolve())
    this.#worker.once('exit', () => resolve())
    this.#loaded = promise
    this.#worker.unref()
  }

  /** A client for the calling thread, which must run its event loop. */
  client(): NotifierClient {
    return new NotifierClient(this.connect())
  }

  /** A connection to hand to another thread; with `wake` to one that never runs its event loop. */
  connect(wake?: WakeHandle): NotifierConnection {
    const { port1, port2 } = new MessageChannel()
    const attach: NotifierAttach = { port: port2, wake }
    this.#worker.postMessage(attach, [port2])
    return { port: port1, wake }
  }

  /** Resolves with the error that ended the thread, should one ever do so. */
  async failure(): Promise<unknown> {
    const [error] = (await once(this.#worker, 'error')) as [unknown]
    return error
  }

  /** Ends the thread. Unmount first: a write that waits in the kernel cannot be interrupted otherwise. */
  async close(): Promise<void> {
    this.#worker.ref()
    // A thread that is ended while it loads a native library takes the whole process with it.
    await this.#loaded
    await this.#worker.terminate()
  }
}
