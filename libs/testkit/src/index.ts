export { type TestkitConfig, testkitConfig } from './config.js'
export { type Fault, FaultProxy, type ProxiedRequest, startFaultProxy } from './fault-proxy.js'
export {
  EVERYDAY_S3_FAULTS,
  S3_LATENCY,
  type S3Behaviour,
  type S3Fault,
  S3FaultProxy,
  type S3FaultRule,
  type S3Latency,
  startS3FaultProxy,
} from './s3-fault-proxy.js'
export type { S3Operation } from './s3-request.js'
export { newSeed, seededRandom } from './seeded-random.js'
export { freePort } from './free-port.js'
export {
  type PostgresOptions,
  PostgresCluster,
  startPostgres,
  type TestDatabase,
} from './postgres/postgres-cluster.js'
export { type SharedFolder, sharedFolder } from './shared-folder.js'
export { type TemporaryDirectory, temporaryDirectory } from './temporary-directory.js'
export { type WaitOptions, waitFor } from './wait-for.js'
export {
  loadServices,
  objectStoreUrl,
  type ProgramName,
  type RedisService,
  type S3Service,
  type Services,
} from './services.js'
