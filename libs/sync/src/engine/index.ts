export type { AsyncStore } from './async-store.js'
export { isHealthy, type EngineState } from './engine-state.js'
export { refusedError, SyncEngine, type EngineListener, type SyncEngineOptions } from './sync-engine.js'
