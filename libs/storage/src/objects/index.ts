export { createOrConfirm } from './create-or-confirm.js'
export type { CircuitReport, CircuitState } from './circuit.js'
export { openFilesystemObjectStore } from './filesystem-object-store.js'
export { assertWritable, GuardedObjectStore, type StoreCircuits } from './guarded-object-store.js'
export { assertObjectKey, compareKeys, OBJECT_KEY_BYTES_MAX } from './object-key.js'
export type {
  CreateOutcome,
  ObjectCallOptions,
  ObjectListing,
  ObjectStore,
  ObjectStoreDescription,
} from './object-store.js'
export { openObjectStore, s3LocationOf } from './open-object-store.js'
export { proveObjectStore } from './prove-object-store.js'
export { DEFAULT_PATIENCE, type S3Credentials, type S3Location, type S3Patience } from './s3-location.js'
export { S3ObjectStore } from './s3-object-store.js'
