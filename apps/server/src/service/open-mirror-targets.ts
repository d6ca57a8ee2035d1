import { MirrorTargets, type TenantResources } from '@agentfs/engine'
import { type ObjectStore, openObjectStore } from '@agentfs/storage'
import type { MirrorTargetConfig } from '../config.js'
import type { Shutdown } from './shutdown.js'

/** Opens the places that tenants may choose for open mirrors; none is asked anything before a mirror writes to it. */
export async function openMirrorTargets(
  targets: readonly MirrorTargetConfig[],
  resources: TenantResources,
  shutdown: Shutdown,
): Promise<MirrorTargets> {
  const stores = new Map<string, ObjectStore>()
  for (const { name, url, credentials } of targets) {
    const store = await openObjectStore(url, credentials)
    shutdown.add(`mirror target ${name}`, () => store.close())
    stores.set(name, store)
  }
  return new MirrorTargets(resources, stores)
}
