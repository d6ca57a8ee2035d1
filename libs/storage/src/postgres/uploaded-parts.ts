import { arrayLiteral } from './array-literal.js'
import { findPartFacts, type PartRow } from './parts-store.js'
import type { TenantTransaction } from './transaction.js'
import type { SealedPlace } from './versions-store.js'

/** A part without its bytes, and whether its key was erased since it went up: nobody can read it any more [ENC-3]. */
export type UploadedPart = Omit<PartRow, keyof SealedPlace> & {
  readonly staged: boolean
  readonly erased: boolean
}

/** Parts by id. New content may name none that is erased; one that no commit names either may be sent again under its id. */
export async function findUploadedParts(
  tx: TenantTransaction,
  agentId: string,
  partIds: readonly string[],
): Promise<UploadedPart[]> {
  const [facts, erased] = await Promise.all([
    findPartFacts(tx, agentId, partIds),
    tx.query<{ partId: string }>`
      select p.part_id from unnest(${arrayLiteral(partIds)}::uuid[]) as w(id)
      cross join lateral (
        select part_id, key_id from parts
        where tenant_id = ${tx.tenantId} and agent_id = ${agentId} and part_id = w.id offset 0) p
      where exists (select from tombstones t where t.tenant_id = ${tx.tenantId} and t.key_id = p.key_id)`,
  ])
  const gone = new Set(erased.map(({ partId }) => partId))
  return facts.map((fact) => ({ ...fact, erased: gone.has(fact.partId) }))
}

/** Takes away those of some parts that no commit names and whose key was erased: their ids are free to be taken again. */
export function dropErasedUploads(
  tx: TenantTransaction,
  agentId: string,
  partIds: readonly string[],
): Promise<unknown> {
  return tx.query`
    delete from parts p where p.tenant_id = ${tx.tenantId} and p.agent_id = ${agentId}
      and p.part_id = any (${arrayLiteral(partIds)}::uuid[]) and p.seq is null
      and exists (select from tombstones t where t.tenant_id = ${tx.tenantId} and t.key_id = p.key_id)`
}
