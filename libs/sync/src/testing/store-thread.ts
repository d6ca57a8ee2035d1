import { workerData, type MessagePort } from 'node:worker_threads'
import { StoreServer } from '../bridge/store-server.js'
import { LocalStore } from '../store/local-store.js'

/** What a store thread is started with. */
export interface StoreThreadStart {
  readonly path: string
  readonly port: MessagePort
  /** Woken by a count in its first place, ended by a 1 in its second. */
  readonly wake: SharedArrayBuffer
}

/** A thread that owns a store and blocks between wakes, as the filesystem thread of a mount does; it never runs an event loop. */
function main({ path, port, wake }: StoreThreadStart): void {
  const store = LocalStore.open({ path, agent: 'agent-1', agentName: 'reference' })
  const server = new StoreServer(store, port)
  const cells = new Int32Array(wake)
  for (let seen = 0; Atomics.load(cells, 1) === 0;) {
    Atomics.wait(cells, 0, seen, 1_000)
    seen = Atomics.load(cells, 0)
    server.drain()
  }
  server.close()
  store.close()
}

main(workerData as StoreThreadStart)
