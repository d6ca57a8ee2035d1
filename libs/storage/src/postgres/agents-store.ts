import { type AgentSettings, isUuid } from '@agentfs/contracts'
import { and, eq, isNull } from 'drizzle-orm'
import { agents } from './schema/index.js'
import type { TenantTransaction } from './transaction.js'

/** An agent's row, with the head of its stream. */
export interface AgentRow {
  readonly agentId: string
  readonly name: string
  readonly rootId: string
  readonly streamKeyId: string
  readonly settings: AgentSettings
  readonly createdAt: Date
  readonly epoch: number
  readonly headSeq: number
}

/** An agent's row with its streams, as the tenant's stream records it. */
export interface AgentImageRow extends Omit<AgentRow, 'epoch' | 'headSeq'> {
  readonly deletedAt: Date | null
  readonly readsStreamId: string
  readonly readsKeyId: string
}

/** An agent as it is now, deleted ones included. */
export async function findAgentImage(
  tx: TenantTransaction,
  agentId: string,
): Promise<AgentImageRow | undefined> {
  const [row] = await tx.query<AgentImageRow>`
    select a.agent_id, a.name, a.root_id, a.stream_key_id, a.settings, a.created_at, a.deleted_at,
      r.stream_id as reads_stream_id, r.key_id as reads_key_id
    from agents a join streams r on r.tenant_id = a.tenant_id and r.agent_id = a.agent_id and r.kind = 'reads'
    where a.tenant_id = ${tx.tenantId} and a.agent_id = ${agentId} and r.tenant_id = ${tx.tenantId}`
  return row
}

/** Adds an agent; its root node and streams are added beside it. */
export async function insertAgent(
  tx: TenantTransaction,
  row: Omit<AgentRow, 'epoch' | 'headSeq'>,
): Promise<void> {
  await tx.db.insert(agents).values({ tenantId: tx.tenantId, ...row })
}

/** A living agent by id or by name; an id beats the name of an agent that is called like it. */
export async function findAgent(tx: TenantTransaction, idOrName: string): Promise<AgentRow | undefined> {
  const { tenantId } = tx
  const id = isUuid(idOrName) ? idOrName : null
  // Each way by its own index: asked for in one condition, all agents of the tenant would be read.
  const [row] = await tx.query<AgentRow>`
    select a.agent_id, a.name, a.root_id, a.stream_key_id, a.settings, a.created_at, s.epoch, s.head_seq
    from (
      select agent_id, 1 as rank from agents where tenant_id = ${tenantId} and agent_id = ${id}::uuid
      union all
      select agent_id, 2 from agents where tenant_id = ${tenantId} and name = ${idOrName} and deleted_at is null) w
    cross join lateral (
      select * from agents where tenant_id = ${tenantId} and agent_id = w.agent_id offset 0) a
    cross join lateral (
      select epoch, head_seq from streams where tenant_id = ${tenantId} and stream_id = w.agent_id offset 0) s
    where a.deleted_at is null
    order by w.rank limit 1`
  return row
}

/** Living agents by name, after a cursor; `only` restricts to some ids. */
export async function listAgents(
  tx: TenantTransaction,
  after: string,
  limit: number,
  only: string | null,
): Promise<AgentRow[]> {
  return tx.query<AgentRow>`
    select a.agent_id, a.name, a.root_id, a.stream_key_id, a.settings, a.created_at, s.epoch, s.head_seq
    from agents a join streams s on s.tenant_id = a.tenant_id and s.stream_id = a.agent_id
    where a.tenant_id = ${tx.tenantId} and a.deleted_at is null and a.name collate "C" > ${after}
      and (${only}::uuid[] is null or a.agent_id = any (${only}::uuid[]))
    order by a.name collate "C" limit ${limit}`
}

/** Renames an agent or changes its settings. */
export async function updateAgent(
  tx: TenantTransaction,
  agentId: string,
  change: { readonly name?: string; readonly settings?: AgentSettings },
): Promise<void> {
  await tx.db
    .update(agents)
    .set(change)
    .where(and(eq(agents.tenantId, tx.tenantId), eq(agents.agentId, agentId)))
}

/** Takes an agent out of service; false where it was already. */
export async function deleteAgent(tx: TenantTransaction, agentId: string, at: Date): Promise<boolean> {
  const rows = await tx.db
    .update(agents)
    .set({ deletedAt: at })
    .where(and(eq(agents.tenantId, tx.tenantId), eq(agents.agentId, agentId), isNull(agents.deletedAt)))
    .returning({ agentId: agents.agentId })
  return rows.length > 0
}
