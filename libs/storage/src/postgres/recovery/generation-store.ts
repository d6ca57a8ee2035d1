import type { TenantTransaction } from '../transaction.js'

/** The count of a database; undefined before its first. */
export async function readGeneration(tx: TenantTransaction): Promise<number | undefined> {
  const [row] = await tx.query<{ counter: number }>`
    select counter from generations where tenant_id = ${tx.tenantId}`
  return row?.counter
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
