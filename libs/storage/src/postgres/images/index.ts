export * from './image-objects-store.js'
export * from './image-rows.js'
export * from './image-tables.js'
export * from './place-rows.js'
