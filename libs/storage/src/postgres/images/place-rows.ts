import { arrayLiteral } from '../array-literal.js'
import type { TenantTransaction } from '../transaction.js'

/** Where a segment holds the sealed bytes of a part or a manifest. */
export interface EntryPlace {
  readonly id: string
  readonly offset: number
  readonly length: number
}

/** Points rows of an image at a segment that was written after it. */
export async function movePlaces(
  tx: TenantTransaction,
  agentId: string,
  objectId: string,
  places: { readonly versions: readonly EntryPlace[]; readonly parts: readonly EntryPlace[] },
): Promise<void> {
  const { tenantId } = tx
  const ids = (of: readonly EntryPlace[]): string => arrayLiteral(of.map(({ id }) => id))
  const offsets = (of: readonly EntryPlace[]): string => arrayLiteral(of.map(({ offset }) => offset))
  const lengths = (of: readonly EntryPlace[]): string => arrayLiteral(of.map(({ length }) => length))
  const { versions, parts } = places
  await tx.query`
    update versions v set object_id = ${objectId}, object_offset = p.place, sealed_length = p.bytes
    from unnest(${ids(versions)}::uuid[], ${offsets(versions)}::bigint[], ${lengths(versions)}::integer[])
      as p(id, place, bytes)
    where v.tenant_id = ${tenantId} and v.agent_id = ${agentId} and v.version_id = p.id`
  await tx.query`
    update parts t set object_id = ${objectId}, object_offset = p.place, sealed_length = p.bytes
    from unnest(${ids(parts)}::uuid[], ${offsets(parts)}::bigint[], ${lengths(parts)}::integer[]) as p(id, place, bytes)
    where t.tenant_id = ${tenantId} and t.agent_id = ${agentId} and t.part_id = p.id`
}

/** Takes away what an image still had and the bucket has no more: it was pruned since. */
export async function dropPlaceless(tx: TenantTransaction, agentId: string): Promise<void> {
  const { tenantId } = tx
  await tx.query`
    delete from versions v where v.tenant_id = ${tenantId} and v.agent_id = ${agentId} and not exists (
      select from objects o where o.tenant_id = ${tenantId} and o.object_id = v.object_id and o.state = 'live')`
  await tx.query`
    delete from parts p where p.tenant_id = ${tenantId} and p.agent_id = ${agentId} and not exists (
      select from objects o where o.tenant_id = ${tenantId} and o.object_id = p.object_id and o.state = 'live')`
}
