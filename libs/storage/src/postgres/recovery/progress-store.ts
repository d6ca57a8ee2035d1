import type { Database } from '../database.js'
import type { TenantTransaction } from '../transaction.js'

/** A step of a rebuilding that is behind it: keys read, commits folded, a new epoch opened, all of it. */
export type RecoveryStep = 'keys' | 'fold' | 'forked' | 'done'

/** The step that a stream's rebuilding has behind it. */
export async function recoveryStep(
  tx: TenantTransaction,
  streamId: string,
): Promise<RecoveryStep | undefined> {
  const [row] = await tx.query<{ step: RecoveryStep }>`
    select step from recoveries where tenant_id = ${tx.tenantId} and stream_id = ${streamId}`
  return row?.step
}

/** Notes a step, in the transaction that makes it. */
export async function noteRecoveryStep(
  tx: TenantTransaction,
  streamId: string,
  step: RecoveryStep,
  at: Date,
): Promise<void> {
  await tx.query`
    insert into recoveries (tenant_id, stream_id, step, updated_at) values (${tx.tenantId}, ${streamId}, ${step}, ${at})
    on conflict (tenant_id, stream_id) do update set step = excluded.step, updated_at = excluded.updated_at`
}

/** Forgets the steps of a tenant's earlier rebuilding, so that another can begin. */
export async function forgetRecoverySteps(tx: TenantTransaction): Promise<void> {
  await tx.query`delete from recoveries where tenant_id = ${tx.tenantId}`
}

/** True where any tenant has a stream. */
export async function hasStreamsAcrossTenants(database: Database): Promise<boolean> {
  const rows = await database.acrossTenantsHeads((tx) => tx.query`select 1 as one from streams limit 1`)
  return rows.length > 0
}
