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

/** Notes the image that a stream's rebuilding counts on; null once its rows are loaded. */
export async function noteImageOfRecovery(
  tx: TenantTransaction,
  streamId: string,
  imageId: string | null,
  at: Date,
): Promise<void> {
  await tx.query`
    insert into recoveries (tenant_id, stream_id, step, image_id, updated_at)
    values (${tx.tenantId}, ${streamId}, 'fold', ${imageId}, ${at})
    on conflict (tenant_id, stream_id) do update set image_id = excluded.image_id, updated_at = excluded.updated_at`
}

/** The image that a stream's rebuilding began with and has not loaded yet. */
export async function imageOfRecovery(tx: TenantTransaction, streamId: string): Promise<string | undefined> {
  const [row] = await tx.query<{ imageId: string | null }>`
    select image_id from recoveries where tenant_id = ${tx.tenantId} and stream_id = ${streamId}`
  return row?.imageId ?? undefined
}

/** Forgets how far a stream's rebuilding is, with its rows. */
export async function forgetRecoveryStep(tx: TenantTransaction, streamId: string): Promise<void> {
  await tx.query`delete from recoveries where tenant_id = ${tx.tenantId} and stream_id = ${streamId}`
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
