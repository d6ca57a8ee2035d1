export { type AffectedFile, findAffectedFile } from './affected-file.js'
export type * from './check-rows.js'
export * from './check-store.js'
