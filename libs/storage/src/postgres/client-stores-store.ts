import { type Statement, statement } from './statement.js'
import type { TenantTransaction } from './transaction.js'

/** What is kept of a client store [SY-8]. */
export interface ClientStoreRow {
  readonly lastNumber: number
  readonly lastDigest: Uint8Array
  readonly answerSealed: Uint8Array
}

/** A client store's last push. */
export async function findClientStore(
  tx: TenantTransaction,
  agentId: string,
  storeId: string,
): Promise<ClientStoreRow | undefined> {
  const [row] = await tx.query<ClientStoreRow>`
    select last_number, last_digest, answer_sealed from stores
    where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and store_id = ${storeId}`
  return row
}

/** The statements that note a push and its whole answer. */
export function pushSaved(
  tenantId: string,
  agentId: string,
  push: {
    readonly storeId: string
    readonly number: number
    readonly digest: Uint8Array
    readonly answerSealed: Uint8Array
    readonly epoch: number
    readonly seq: number | null
  },
  at: Date,
): Statement[] {
  return [
    statement`
    insert into stores (tenant_id, agent_id, store_id, last_number, last_digest, answer_sealed, updated_at)
    values (${tenantId}, ${agentId}, ${push.storeId}, ${push.number}, ${push.digest}, ${push.answerSealed}, ${at})
    on conflict (tenant_id, agent_id, store_id) do update set last_number = excluded.last_number,
      last_digest = excluded.last_digest, answer_sealed = excluded.answer_sealed, updated_at = excluded.updated_at`,
    statement`
    insert into store_pushes (tenant_id, agent_id, store_id, number, digest, epoch, seq)
    values (${tenantId}, ${agentId}, ${push.storeId}, ${push.number}, ${push.digest}, ${push.epoch}, ${push.seq})`,
  ]
}
