export { createOrConfirm } from './create-or-confirm.js'
export { openFilesystemObjectStore } from './filesystem-object-store.js'
export { assertObjectKey, compareKeys, OBJECT_KEY_BYTES_MAX } from './object-key.js'
export type {
  CreateOutcome,
  ObjectCallOptions,
  ObjectListing,
  ObjectStore,
  ObjectStoreDescription,
} from './object-store.js'
