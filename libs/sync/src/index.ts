// engine/ (SyncEngine) is being written by another author at this moment: see engine/OWNERSHIP.md; its exports come from ./engine/index.js
export type * from './store/engine-store.js'
export type * from './store/filesystem-store.js'
export * from './store/store-error.js'
export type * from './store/store-types.js'
