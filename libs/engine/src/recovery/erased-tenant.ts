import type { TenantScope } from '@agentfs/access'
import { type Database, eraseTenant, restoreErasedTenant } from '@agentfs/storage'
import type { ReadLedger } from './read-ledger.js'

/**
 * Erases a tenant anew where its ledger has the tombstone of it, so that neither the bucket's older objects nor the rows of an
 * older database bring anything back [ENC-3]; false where it was not erased. What is left goes as after any erasure.
 */
export async function keepErased(
  database: Database,
  scope: TenantScope,
  { rows }: ReadLedger,
): Promise<boolean> {
  const tombstone = rows.tombstones.find(({ keyId }) => keyId === scope.tenantId)
  if (tombstone === undefined) return false
  await database.withTenant(scope, async (tx) => {
    await restoreErasedTenant(tx, tombstone.at)
    await eraseTenant(tx, tombstone)
  })
  return true
}
