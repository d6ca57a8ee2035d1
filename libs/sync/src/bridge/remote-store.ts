import type { MessagePort } from 'node:worker_threads'
import type { AsyncStore } from '../engine/async-store.js'
import type { EngineStore } from '../store/engine-store.js'
import { packError, unpackError } from '../store/store-error.js'
import type { StoreEvent } from '../store/store-types.js'
import type { BridgeCall, BridgeReply, WireEvent } from './bridge-messages.js'

type Call<K extends keyof EngineStore> = AsyncStore[K]
type Waiting = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }

/** A store on another thread. `wake` is called after each message, to bring that thread to its `drain`. */
export class RemoteStore implements AsyncStore {
  readonly #port: MessagePort
  readonly #wake: () => void
  readonly #waiting = new Map<number, Waiting>()
  readonly #listeners = new Set<(event: StoreEvent) => void>()
  #nextId = 1
  #closed = false

  constructor(port: MessagePort, wake: () => void) {
    this.#port = port
    this.#wake = wake
    port.on('message', (reply: BridgeReply) => this.#receive(reply))
    port.on('close', () => this.#end())
  }

  readonly address: Call<'address'> = () => this.#call('address', [])
  readonly status: Call<'status'> = () => this.#call('status', [])
  readonly beginSnapshot: Call<'beginSnapshot'> = (...args) => this.#call('beginSnapshot', args)
  readonly addSnapshotRows: Call<'addSnapshotRows'> = (...args) => this.#call('addSnapshotRows', args)
  readonly addSnapshotCommits: Call<'addSnapshotCommits'> = (...args) =>
    this.#call('addSnapshotCommits', args)
  readonly finishSnapshot: Call<'finishSnapshot'> = (...args) => this.#call('finishSnapshot', args)
  readonly applyCommit: Call<'applyCommit'> = (...args) => this.#call('applyCommit', args)
  readonly advance: Call<'advance'> = (...args) => this.#call('advance', args)
  readonly setStored: Call<'setStored'> = (...args) => this.#call('setStored', args)
  readonly freezePush: Call<'freezePush'> = (...args) => this.#call('freezePush', args)
  readonly readPart: Call<'readPart'> = (...args) => this.#call('readPart', args)
  readonly settlePush: Call<'settlePush'> = (...args) => this.#call('settlePush', args)
  readonly rejectPush: Call<'rejectPush'> = (...args) => this.#call('rejectPush', args)
  readonly rejectTorn: Call<'rejectTorn'> = () => this.#call('rejectTorn', [])
  readonly fork: Call<'fork'> = () => this.#call('fork', [])
  readonly provide: Call<'provide'> = (...args) => this.#call('provide', args)
  readonly provideContents: Call<'provideContents'> = (...args) => this.#call('provideContents', args)
  readonly uncached: Call<'uncached'> = (...args) => this.#call('uncached', args)
  readonly revoke: Call<'revoke'> = () => this.#call('revoke', [])
  readonly reinstate: Call<'reinstate'> = () => this.#call('reinstate', [])
  readonly treeHash: Call<'treeHash'> = () => this.#call('treeHash', [])
  readonly journaledPaths: Call<'journaledPaths'> = () => this.#call('journaledPaths', [])
  readonly openInodes: Call<'openInodes'> = () => this.#call('openInodes', [])
  readonly maintain: Call<'maintain'> = () => this.#call('maintain', [])

  readonly failBlocks: Call<'failBlocks'> = (blocks, error) =>
    this.#call('failBlocks', [blocks, packError(error)])

  listen(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Closes the port; calls under way fail. */
  close(): void {
    this.#port.close()
    this.#end()
  }

  #call<K extends keyof EngineStore>(
    method: K,
    args: readonly unknown[],
  ): Promise<ReturnType<EngineStore[K]>> {
    if (this.#closed) return Promise.reject(new Error('the store is closed'))
    const id = this.#nextId++
    const call: BridgeCall = { kind: 'call', id, method, args }
    return new Promise((resolve, reject) => {
      // The other side answers with what the method returned; the port carries no types.
      this.#waiting.set(id, { resolve: (value) => resolve(value as ReturnType<EngineStore[K]>), reject })
      this.#port.postMessage(call)
      this.#wake()
    })
  }

  #receive(reply: BridgeReply): void {
    if (reply.kind === 'event') {
      const event = unpackEvent(reply.event)
      for (const listener of this.#listeners) listener(event)
      return
    }
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if (reply.kind === 'answer') waiting?.resolve(reply.value)
    else waiting?.reject(unpackError(reply.error))
  }

  #end(): void {
    this.#closed = true
    for (const { reject } of this.#waiting.values()) reject(new Error('the store is closed'))
    this.#waiting.clear()
  }
}

function unpackEvent(event: WireEvent): StoreEvent {
  return event.kind === 'unavailable' ? { ...event, error: unpackError(event.error) } : event
}
