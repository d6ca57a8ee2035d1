import { AgentfsError, type Erasure } from '@agentfs/contracts'
import { findApiKey, findTenant, findUser, type TenantTransaction } from '@agentfs/storage'
import type { TenantsApi } from '../api/tenants-api.js'
import type { Caller } from '../caller.js'
import type { Erasures } from '../keys/erasures.js'
import type { KeyVault } from '../keys/key-vault.js'
import type { Clock } from '../ports.js'
import type { Administration } from '../streams/administration.js'
import { eraseTenantFor, type TenantErasing } from './erase-tenant.js'

/** What tenants are worked on with. */
export interface TenantsTools extends TenantErasing {
  readonly vault: KeyVault
  readonly administration: Administration
  readonly erasures: Erasures
  readonly clock: Clock
}

/** Tenants as a whole. */
export class Tenants implements TenantsApi {
  readonly #tools: TenantsTools

  constructor(tools: TenantsTools) {
    this.#tools = tools
  }

  async erase(caller: Caller, name: string): Promise<Erasure> {
    const { database, vault, administration, erasures, clock } = this.#tools
    const { scope, actor, keyId } = caller.principal
    if (!(await database.withTenant(scope, (tx) => isOwner(tx, caller)))) {
      await administration.note(caller, 'tenant', [{ action: 'access.denied' }], 'denied')
      throw new AgentfsError('forbidden', {
        detail: 'only an owner may erase the tenant, with a credential for all of it',
      })
    }
    const { door, requestId } = caller
    const by = { actor, keyId, door, requestId, reason: 'tenant erased by its owner' }
    const keys = await eraseTenantFor(this.#tools, scope, by, new Date(clock.now()), async (tx) => {
      const tenant = await findTenant(tx)
      if (tenant === undefined) throw new AgentfsError('not_found', { detail: 'the tenant is gone' })
      if (tenant.name !== name) {
        throw new AgentfsError('invalid_request', {
          detail: 'name has to be the name of the tenant, letter for letter; nothing was erased',
        })
      }
    })
    vault.forgetTenant(scope)
    return erasures.finishTenant(scope, keys ?? 0)
  }
}

/** True where an owner is behind a credential that is narrowed in nothing but its time. */
async function isOwner(tx: TenantTransaction, { principal }: Caller): Promise<boolean> {
  const { actor, keyId, limits } = principal
  if (limits.role !== 'manager' || limits.agents !== null || limits.prefixes !== null) return false
  const key = keyId === null ? undefined : await findApiKey(tx, keyId)
  const userId = actor.kind === 'user' ? actor.id : (key?.createdBy ?? null)
  const person = userId === null ? undefined : await findUser(tx, userId)
  return person?.role === 'owner'
}
