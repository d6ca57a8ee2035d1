export * from './mirror-documents-store.js'
export * from './mirrors-store.js'
