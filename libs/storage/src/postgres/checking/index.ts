export type * from './check-rows.js'
export * from './check-store.js'
