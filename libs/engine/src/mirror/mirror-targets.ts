import type { TenantScope } from '@agentfs/access'
import { AgentfsError } from '@agentfs/contracts'
import type { ObjectStore } from '@agentfs/storage'
import type { TenantResources } from '../ports.js'

/** The name of the target that every service has: the tenant's own object store. */
export const OWN_STORE = ''

/** Where a mirror writes. */
export interface MirrorTarget {
  readonly store: ObjectStore
  /** Before every path, ends in '/'. */
  readonly prefix: string
}

/**
 * The places a tenant may choose for its mirrors: its own store, and stores that the operator named. A tenant gives a
 * name and never a URL, or the service could be made to write to any folder or host it reaches.
 */
export class MirrorTargets {
  readonly #resources: TenantResources
  readonly #named: ReadonlyMap<string, ObjectStore>

  constructor(resources: TenantResources, named: ReadonlyMap<string, ObjectStore> = new Map()) {
    this.#resources = resources
    this.#named = named
  }

  /** Names of the operator's targets. */
  get names(): string[] {
    return [...this.#named.keys()]
  }

  /** Where the mirror of an agent stands: by ids, for names change. `invalid_request` where there is no such target. */
  async resolve(scope: TenantScope, agentId: string, name: string): Promise<MirrorTarget> {
    const prefix = `${tenantPrefix(scope)}agents/${agentId}/`
    if (name === OWN_STORE) {
      const { objectStore, objectPrefix } = await this.#resources.resolve(scope)
      return { store: objectStore, prefix: objectPrefix + prefix }
    }
    const store = this.#named.get(name)
    if (store === undefined) {
      const known = this.names.length === 0 ? 'the service has none' : `there are ${this.names.join(', ')}`
      throw new AgentfsError('invalid_request', {
        detail: `there is no mirror target ${name}; ${known}, and none means the service's own store`,
      })
    }
    return { store, prefix }
  }

  /** Wherever mirrors of a tenant's agents can stand, each with what comes before all of them. */
  async ofTenant(scope: TenantScope): Promise<MirrorTarget[]> {
    const { objectStore, objectPrefix } = await this.#resources.resolve(scope)
    const prefix = tenantPrefix(scope)
    const named = [...this.#named.values()].map((store) => ({ store, prefix }))
    return [{ store: objectStore, prefix: objectPrefix + prefix }, ...named]
  }
}

function tenantPrefix({ tenantId }: TenantScope): string {
  return `mirror/${tenantId}/`
}
