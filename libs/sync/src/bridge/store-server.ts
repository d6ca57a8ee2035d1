import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads'
import { freeBytes } from '@agentfs/contracts'
import type { EngineStore } from '../store/engine-store.js'
import { packError, unpackError, type WireError } from '../store/store-error.js'
import type { StoreEvent } from '../store/store-types.js'
import { BRIDGED, type BridgeCall, type BridgeReply, type WireEvent } from './bridge-messages.js'

/** What a server serves: the engine's side of a store, and its events. */
export type ServedStore = EngineStore & {
  listen(listener: (event: StoreEvent) => void): () => void
}

/**
 * Answers an engine on another thread. This thread need not run an event loop: it calls `drain` when it is woken, and
 * every call is answered within it, in order. Where the thread does run its loop, `serve` answers by messages.
 */
export class StoreServer {
  readonly #store: ServedStore
  readonly #port: MessagePort
  readonly #unlisten: () => void

  constructor(store: ServedStore, port: MessagePort) {
    this.#store = store
    this.#port = port
    this.#unlisten = store.listen((event) => this.#send({ kind: 'event', event: packEvent(event) }))
  }

  /** Answers all calls that have arrived. Never blocks. */
  drain(): void {
    for (
      let next = receiveMessageOnPort(this.#port);
      next !== undefined;
      next = receiveMessageOnPort(this.#port)
    ) {
      this.#answer(next.message as BridgeCall)
    }
  }

  /** Answers calls as they arrive, on a thread that runs its event loop. */
  serve(): void {
    this.#port.on('message', (call: BridgeCall) => this.#answer(call))
  }

  /** Stops answering. */
  close(): void {
    this.#unlisten()
    this.#port.close()
  }

  #answer(call: BridgeCall): void {
    let value: unknown
    try {
      value = this.#call(call)
    } catch (error) {
      this.#send({ kind: 'failure', id: call.id, error: packError(error) })
      return
    }
    // A part of a push was read for the caller alone: a megabyte is given away rather than copied twice.
    const given = value instanceof Uint8Array && value.buffer instanceof ArrayBuffer ? [value.buffer] : []
    this.#send({ kind: 'answer', id: call.id, value }, given)
  }

  #call({ method, args }: BridgeCall): unknown {
    if (!Object.hasOwn(BRIDGED, method)) throw new Error(`a store has no method ${method}`)
    const [first, second] = args
    // An error among the arguments crossed as plain data.
    if (method === 'failBlocks') {
      this.#store.failBlocks(
        first as Parameters<EngineStore['failBlocks']>[0],
        unpackError(second as WireError),
      )
      return undefined
    }
    const call = this.#store[method] as (...values: readonly unknown[]) => unknown
    const value = call.apply(this.#store, [...args])
    // The block of this message is nobody else's, and is kept sealed, or lent as a copy.
    if (method === 'provide' && second instanceof Uint8Array) freeBytes(second)
    return value
  }

  #send(reply: BridgeReply, given: readonly ArrayBuffer[] = []): void {
    this.#port.postMessage(reply, given)
  }
}

function packEvent(event: StoreEvent): WireEvent {
  return event.kind === 'unavailable' ? { ...event, error: packError(event.error) } : event
}
