import { AgentfsError, isUuid } from '@agentfs/contracts'

declare const minted: unique symbol

/** Proof that code acts for one tenant. Every store method takes one; only authentication or a validated job mints it. */
export type TenantScope = { readonly tenantId: string; readonly [minted]: true }

/** Mints a scope for a tenant id that authentication or a validated job vouches for. */
export function mintTenantScope(tenantId: string): TenantScope {
  if (!isUuid(tenantId)) throw new AgentfsError('invalid_request', { detail: 'not a tenant id' })
  return { tenantId } as TenantScope
}
