import type { AsyncStore } from '../engine/async-store.js'
import type { EngineStore } from '../store/engine-store.js'
import { BRIDGED } from './bridge-messages.js'
import type { ServedStore } from './store-server.js'

/** A store on this thread, behind the same promises as a remote one: calls are done in order, answers come later. */
export function directStore(store: ServedStore): AsyncStore {
  const calls: [string, unknown][] = Object.keys(BRIDGED).map((name) => {
    const method = store[name as keyof EngineStore] as (...args: readonly unknown[]) => unknown
    return [name, async (...args: readonly unknown[]) => method.apply(store, [...args])]
  })
  // BRIDGED names every method of EngineStore, so nothing is missing.
  const methods = Object.fromEntries(calls) as Omit<AsyncStore, 'listen'>
  return { ...methods, listen: (listener) => store.listen(listener) }
}
