import type { TenantTransaction } from '../transaction.js'

/**
 * What changes when another server takes the database's place, or the server starts again: its timeline, which a standby's
 * promotion and a restore to a point in time move on, and when it started.
 */
export async function databaseIdentity(tx: TenantTransaction): Promise<string> {
  const [row] = await tx.query<{ identity: string }>`
    select left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/' || extract(epoch from pg_postmaster_start_time()) as identity`
  return row?.identity ?? ''
}
