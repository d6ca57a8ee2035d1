import { mintTenantScope, type TenantScope } from '@agentfs/access'
import { actor, AgentfsError, door, uuid } from '@agentfs/contracts'
import { SERVICE_TENANT_ID } from '@agentfs/crypto'
import { countKeys, type Database, eraseTenant, type TenantTransaction } from '@agentfs/storage'
import { z } from 'zod'
import type { TenantResources } from '../ports.js'

const erasureRecord = z.object({
  tenant: uuid,
  at: z.iso.datetime(),
  actor,
  keyId: z.string().nullable(),
  door,
  requestId: z.string(),
})

/** Who erased a tenant, when and through what: ids only, for names and addresses went with the tenant. */
export type TenantErasureRecord = Readonly<z.infer<typeof erasureRecord>>

/** What the erasure of a tenant works with. */
export interface TenantErasing {
  readonly database: Database
  readonly resources: TenantResources
}

const CONTEXT = { tenantId: SERVICE_TENANT_ID, kekVersion: 1, purpose: 'tenant-erasure' }

/**
 * Erases a tenant [ENC-3], in one transaction, if `allow` lets it; gives how many keys went, null where it was erased before.
 * Its own log cannot tell of it, for that opens no more: the record is sealed by the KMS of the service and stays with the
 * tombstone.
 */
export async function eraseTenantFor(
  { database, resources }: TenantErasing,
  scope: TenantScope,
  by: Omit<TenantErasureRecord, 'tenant' | 'at'> & { readonly reason: string },
  at: Date,
  allow: (tx: TenantTransaction) => Promise<void> = () => Promise.resolve(),
): Promise<number | null> {
  const { reason, ...who } = by
  const { kms } = await resources.resolve(mintTenantScope(SERVICE_TENANT_ID))
  const told: TenantErasureRecord = { tenant: scope.tenantId, at: at.toISOString(), ...who }
  const record = await kms.wrap(CONTEXT, Buffer.from(JSON.stringify(told)))
  return database.withTenant(scope, async (tx) => {
    await allow(tx)
    const keys = await countKeys(tx)
    return (await eraseTenant(tx, { reason, at, record })) ? keys : null
  })
}

/** Opens the record of an erasure; `object_corrupt` where it is another tenant's, or not this service's. */
export async function openErasureRecord(
  { resources }: Pick<TenantErasing, 'resources'>,
  { tenantId }: TenantScope,
  sealed: Uint8Array,
): Promise<TenantErasureRecord> {
  const { kms } = await resources.resolve(mintTenantScope(SERVICE_TENANT_ID))
  const told = erasureRecord.parse(JSON.parse((await kms.unwrap(CONTEXT, sealed)).toString('utf8')))
  if (told.tenant !== tenantId)
    throw new AgentfsError('object_corrupt', { detail: `it is the record of tenant ${told.tenant}` })
  return told
}
