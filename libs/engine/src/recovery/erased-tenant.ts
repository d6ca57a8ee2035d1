import type { TenantScope } from '@agentfs/access'
import { eraseTenant, findTenantTombstone, restoreErasedTenant } from '@agentfs/storage'
import type { FollowerOptions } from '../followers/follower-options.js'
import { ErasedTenantsChore } from '../maintenance/erased-tenants-chore.js'
import type { ReadLedger } from './read-ledger.js'

/**
 * Erases a tenant anew where its ledger, or the database, has the tombstone of it, so that neither the bucket's older objects nor the rows of an
 * older database bring anything back [ENC-3]; false where it was not erased. What is left of it is marked at once: a segment
 * that no row knows would look as if the database were older than the bucket.
 */
export async function keepErased(
  options: FollowerOptions,
  scope: TenantScope,
  { copies }: ReadLedger,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const tombstone =
    copies.tombstones.find(({ keyId }) => keyId === scope.tenantId) ??
    (await options.database.withTenant(scope, (tx) => findTenantTombstone(tx)))
  if (tombstone === undefined) return false
  await options.database.withTenant(scope, async (tx) => {
    await restoreErasedTenant(tx, tombstone.at)
    await eraseTenant(tx, tombstone)
  })
  const chore = new ErasedTenantsChore(options)
  const request = { agentId: null, dryRun: false, ...(signal === undefined ? {} : { signal }) }
  let resume: string | null = null
  do ({ resume } = await chore.step(scope, { ...request, resume }))
  while (resume !== null)
  return true
}
