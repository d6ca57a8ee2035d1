import type { EngineStore } from '../store/engine-store.js'
import type { StoreEvent } from '../store/store-types.js'

/** An EngineStore that lives on another thread, or on this one: every call answers a promise, in the order of the calls. */
export type AsyncStore = {
  readonly [K in keyof EngineStore]: (
    ...args: Parameters<EngineStore[K]>
  ) => Promise<ReturnType<EngineStore[K]>>
} & {
  /** Has the listener called for each event of the store; answers how to stop it. */
  listen(listener: (event: StoreEvent) => void): () => void
}
