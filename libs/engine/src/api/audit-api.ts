import type { AuditAction, AuditEvent, AuditQuery, ListOf } from '@agentfs/contracts'
import type { Caller } from '../caller.js'

/** The audit log. */
export interface AuditApi {
  /** Events, newest first; those of agents the caller may not manage are left out. */
  listEvents(caller: Caller, query: AuditQuery): Promise<ListOf<AuditEvent>>
  /** Notes a denial that a door made itself (say, a rate limit); written within 1 s [AUD-2]. */
  recordDenial(
    caller: Caller,
    denial: { readonly action?: AuditAction; readonly agentId?: string; readonly path?: string },
  ): void
  /** Writes everything that is batched. */
  flush(): Promise<void>
}
