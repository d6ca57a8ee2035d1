export * from './objects/index.js'
export * from './postgres/index.js'
