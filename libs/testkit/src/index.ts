export { type TestkitConfig, testkitConfig } from './config.js'
export { type Fault, FaultProxy, type ProxiedRequest, startFaultProxy } from './fault-proxy.js'
export { freePort } from './free-port.js'
export {
  type PostgresOptions,
  PostgresCluster,
  startPostgres,
  type TestDatabase,
} from './postgres/postgres-cluster.js'
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
