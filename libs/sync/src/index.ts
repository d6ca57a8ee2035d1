export type * from './store/engine-store.js'
export type * from './store/filesystem-store.js'
export * from './store/store-error.js'
export type * from './store/store-types.js'
