export * from './mirror.js'
export * from './mirror-targets.js'
