export type * from './chore.js'
export * from './collect-chore.js'
export * from './pack-chore.js'
