export * from './objects-found.js'
export * from './progress-store.js'
export * from './stored-rows.js'
export * from './tenant-rows.js'
