import { MirrorTargets, type TenantResources } from '@agentfs/engine'
import { type GuardedObjectStore, openObjectStore } from '@agentfs/storage'
import type { MirrorTargetConfig } from '../config.js'
import type { Shutdown } from './shutdown.js'

/** Opens the places that tenants may choose for open mirrors; none is asked anything before a mirror writes to it. */
export async function openMirrorTargets(
  configured: readonly MirrorTargetConfig[],
  resources: TenantResources,
  shutdown: Shutdown,
): Promise<{ targets: MirrorTargets; stores: ReadonlyMap<string, GuardedObjectStore> }> {
  const stores = new Map<string, GuardedObjectStore>()
  for (const { name, url, credentials } of configured) {
    const store = await openObjectStore(url, credentials)
    shutdown.add(`mirror target ${name}`, () => store.close())
    stores.set(name, store)
  }
  return { targets: new MirrorTargets(resources, stores), stores }
}
