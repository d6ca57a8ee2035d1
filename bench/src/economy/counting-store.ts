import type { ObjectStore } from '@agentfs/storage'

/** A store that counts what is written to it: every PUT, of whatever kind, counts. */
export class CountingStore {
  /** Of objects of tenants; what is the service's own costs the same for one tenant and for a million. */
  tenantPuts = 0
  readonly #store: ObjectStore

  constructor(store: ObjectStore) {
    this.#store = store
  }

  /** The store as the service is to have it. */
  counted(): ObjectStore {
    return new Proxy(this.#store, {
      get: (store, name) => {
        const value: unknown = Reflect.get(store, name)
        if (typeof value !== 'function') return value
        return (...call: unknown[]): unknown => {
          const isPut = name === 'putIfAbsent' || name === 'put'
          if (isPut && String(call[0]).startsWith('tenants/')) this.tenantPuts++
          return Reflect.apply(value, store, call)
        }
      },
    })
  }
}
