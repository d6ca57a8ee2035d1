import { CircuitMetrics } from '@agentfs/api'
import type { GuardedObjectStore } from '@agentfs/storage'

/** The circuits of the service's own store, `objects`, and of the places that mirrors write to, by their names. */
export function circuitMetrics(
  objects: GuardedObjectStore,
  mirrors: ReadonlyMap<string, GuardedObjectStore>,
): CircuitMetrics {
  const stores = [
    ['objects', objects] as const,
    ...[...mirrors].map(([name, it]) => [`mirror ${name}`, it] as const),
  ]
  return new CircuitMetrics(new Map(stores.map(([name, store]) => [name, () => store.circuits])))
}
