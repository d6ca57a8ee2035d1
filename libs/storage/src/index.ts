export * from './objects/index.js'
export * from './postgres/index.js'
export * from './postgres/packing/index.js'
export * from './segments/index.js'
