import type { TenantScope } from '@agentfs/access'

/** Where the objects of a tenant stand in the object store; the one place that makes these prefixes. */
export function tenantPrefix({ tenantId }: TenantScope): string {
  return `tenants/${tenantId}`
}

/** A segment of an agent's streams, or (agent null) of the tenant's own. */
export function segmentKey(scope: TenantScope, agentId: string | null, objectId: string): string {
  return `${ownerPrefix(scope, agentId)}/seg/${objectId}`
}

/**
 * A part that is an object of its own: by object id too, for two writers of one part must not share an object; and by part
 * id, so that the bucket alone tells which part it is.
 */
export function partKey(scope: TenantScope, agentId: string, partId: string, objectId: string): string {
  return `${ownerPrefix(scope, agentId)}/part/${partId}-${objectId}`
}

/** The list of the beginnings of a version, kept as that version alone; by its id and the object's, as parts are. */
export function prefixesKey(
  scope: TenantScope,
  agentId: string,
  versionId: string,
  objectId: string,
): string {
  return `${ownerPrefix(scope, agentId)}/prefixes/${versionId}-${objectId}`
}

/** A page of an image of an agent's tree, or its head, whose id is the image's. */
export function treeKey(scope: TenantScope, agentId: string, imageId: string, objectId: string): string {
  return `${ownerPrefix(scope, agentId)}/tree/${imageId}-${objectId}`
}

/** A piece of the key ledger. */
export function ledgerKey(scope: TenantScope, objectId: string): string {
  return `${tenantPrefix(scope)}/keys/${objectId}`
}

/** A checkpoint of the audit log; sorted by name they are sorted by number. */
export function checkpointKey(scope: TenantScope, number: number): string {
  return `${tenantPrefix(scope)}/checkpoints/${String(number).padStart(12, '0')}`
}

function ownerPrefix(scope: TenantScope, agentId: string | null): string {
  return agentId === null ? tenantPrefix(scope) : `${tenantPrefix(scope)}/agents/${agentId}`
}
