export type { Finding } from './finding.js'
export { Fsck, type FsckOptions, isFault } from './fsck.js'
export * from './scrub.js'
