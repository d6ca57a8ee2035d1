import type { AccountsApi } from './api/accounts-api.js'
import type { AgentsApi } from './api/agents-api.js'
import type { AuditApi } from './api/audit-api.js'
import type { FilesApi } from './api/files-api.js'
import type { IdempotencyApi } from './api/idempotency-api.js'
import type { MirrorsApi } from './api/mirrors-api.js'
import type { SyncApi } from './api/sync-api.js'
import type { TenantsApi } from './api/tenants-api.js'

/**
 * The service without HTTP. Every method refuses with an AgentfsError; what the caller may not know of answers
 * `not_found`, as if it were missing [ISO-1]. Mutations return after COMMIT, with their record [AUD-2].
 */
export interface Engine {
  readonly accounts: AccountsApi
  readonly tenants: TenantsApi
  readonly agents: AgentsApi
  readonly mirrors: MirrorsApi
  readonly files: FilesApi
  readonly sync: SyncApi
  readonly audit: AuditApi
  readonly idempotency: IdempotencyApi
  /** Throws `unavailable` where the database does not answer. */
  ready(): Promise<void>
  /** Writes what is batched and lets go of everything but the database, which its maker closes. */
  close(): Promise<void>
}
