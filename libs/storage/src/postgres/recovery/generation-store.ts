import type { TenantTransaction } from '../transaction.js'

/** The count of a database, and whether something proved it to be older than its bucket; undefined before its first. */
export async function readGeneration(
  tx: TenantTransaction,
): Promise<{ readonly counter: number; readonly behind: boolean } | undefined> {
  const [row] = await tx.query<{ counter: number; behind: boolean }>`
    select counter, behind from generations where tenant_id = ${tx.tenantId}`
  return row
}

/** Notes for every process, and for the next start, that the database is older than its bucket; or that it is no more. */
export async function noteBehind(tx: TenantTransaction, behind: boolean): Promise<void> {
  await tx.query`
    insert into generations (tenant_id, counter, behind) values (${tx.tenantId}, 0, ${behind})
    on conflict (tenant_id) do update set behind = excluded.behind`
}

/** Counts on, past `beyond` too, and gives the new count. */
export async function advanceGeneration(tx: TenantTransaction, beyond: number): Promise<number> {
  const [row] = await tx.query<{ counter: number }>`
    insert into generations (tenant_id, counter) values (${tx.tenantId}, ${beyond + 1})
    on conflict (tenant_id) do update set counter = greatest(generations.counter, ${beyond}::bigint) + 1
    returning counter`
  if (row === undefined) throw new Error('no generation came back')
  return row.counter
}
