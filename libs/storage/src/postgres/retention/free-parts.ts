import { arrayLiteral } from '../array-literal.js'
import type { TenantTransaction } from '../transaction.js'

/** Parts that some versions alone named when they were looked for. */
export interface FreedParts {
  readonly agentId: string
  readonly partIds: readonly string[]
  readonly versionIds: readonly string[]
  /** The agent's head when they were looked for: what was committed since has a higher seq. */
  readonly seenSeq: number
}

/** Where the sealed bytes of a row that went stand. */
export interface DeletedRow {
  readonly objectId: string | null
  readonly bytes: number
}

/** Parts, pages of extents among them, that no other version names, by itself or by a page. */
export async function partsOnlyOf(
  tx: TenantTransaction,
  agentId: string,
  versionIds: readonly string[],
): Promise<string[]> {
  if (versionIds.length === 0) return []
  const { tenantId } = tx
  const ids = arrayLiteral(versionIds)
  const rows = await tx.query<{ partId: string }>`
    with gone as (
      select distinct unnest(part_ids) as id from versions
      where tenant_id = ${tenantId} and agent_id = ${agentId} and version_id = any (${ids}::uuid[])),
    kept as (
      select distinct unnest(part_ids) as id from versions
      where tenant_id = ${tenantId} and agent_id = ${agentId} and version_id <> all (${ids}::uuid[])),
    free_pages as (
      select p.part_id, p.part_ids from gone
      join parts p on p.tenant_id = ${tenantId} and p.agent_id = ${agentId} and p.part_id = gone.id and p.part_ids is not null
      where not exists (select from kept where kept.id = gone.id)),
    kept_by_pages as (
      select distinct unnest(p.part_ids) as id from parts p
      where p.tenant_id = ${tenantId} and p.agent_id = ${agentId} and p.part_ids is not null
        and not exists (select from free_pages f where f.part_id = p.part_id)),
    named as (select id from gone union select unnest(part_ids) from free_pages)
    select named.id as part_id from named
    where not exists (select from kept where kept.id = named.id)
      and not exists (select from kept_by_pages k where k.id = named.id)`
  return rows.map(({ partId }) => partId)
}

/** Whatever of the plan's versions stayed after all, and whatever was committed since, keeps its parts. */
export function deleteParts(
  tx: TenantTransaction,
  { agentId, partIds, versionIds, seenSeq }: FreedParts,
): Promise<DeletedRow[]> {
  const { tenantId } = tx
  return tx.query<DeletedRow>`
    with named as (
      select unnest(v.part_ids) as id from versions v
      where v.tenant_id = ${tenantId} and v.agent_id = ${agentId}
        and (v.seq > ${seenSeq} or v.version_id = any (${arrayLiteral(versionIds)}::uuid[]))),
    in_pages as (
      select unnest(p.part_ids) as id from parts p
      where p.tenant_id = ${tenantId} and p.agent_id = ${agentId} and p.part_ids is not null
        and (p.seq > ${seenSeq} or p.part_id in (select id from named)))
    delete from parts p
    where p.tenant_id = ${tenantId} and p.agent_id = ${agentId} and p.part_id = any (${arrayLiteral(partIds)}::uuid[])
      and p.sealed is null and not exists (select from named where named.id = p.part_id)
      and not exists (select from in_pages where in_pages.id = p.part_id)
    returning p.object_id, p.sealed_length as bytes`
}
