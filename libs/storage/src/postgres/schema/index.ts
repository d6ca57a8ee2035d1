export * from './accounts.js'
export * from './columns.js'
export * from './streams.js'
export * from './tree.js'
