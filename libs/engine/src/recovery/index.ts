export * from './recover.js'
export type * from './report.js'
