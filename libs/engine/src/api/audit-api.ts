import type { ExportLine } from '@agentfs/audit'
import type {
  AuditAction,
  AuditCheckpoint,
  AuditEvent,
  AuditExportQuery,
  AuditQuery,
  ListOf,
  ListQuery,
} from '@agentfs/contracts'
import type { Caller } from '../caller.js'

/** The audit log. */
export interface AuditApi {
  /** Events, newest first; those of agents the caller may not manage are left out. */
  listEvents(caller: Caller, query: AuditQuery): Promise<ListOf<AuditEvent>>
  /** Signed checkpoints over the tenant's logs, newest first. */
  listCheckpoints(caller: Caller, query: ListQuery): Promise<ListOf<AuditCheckpoint>>
  /** The logs of the tenant, or of one agent, line by line; refuses before it gives any. The export is recorded itself. */
  export(caller: Caller, query: AuditExportQuery): Promise<AsyncIterable<ExportLine>>
  /** Notes a denial that a door made itself (say, a rate limit); written within 1 s [AUD-2]. */
  recordDenial(
    caller: Caller,
    denial: { readonly action?: AuditAction; readonly agentId?: string; readonly path?: string },
  ): void
  /** Writes everything that is batched. */
  flush(): Promise<void>
}
