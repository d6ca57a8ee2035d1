export * from './bucket-ahead.js'
export * from './generation.js'
export * from './recover.js'
export type * from './report.js'
