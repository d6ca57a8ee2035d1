export {
  startEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
} from './embedded-postgres.js'
export { EmbeddedPostgresError, type EmbeddedPostgresReason } from './embedded-postgres-error.js'
