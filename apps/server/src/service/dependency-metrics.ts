import { DependencyMetrics } from '@agentfs/api'
import { SERVICE_TENANT_ID } from '@agentfs/crypto'
import type { Sweeper, TenantStorage } from '@agentfs/engine'
import type { Database } from '@agentfs/storage'
import type { PackHints } from '@agentfs/worker'

/** The alarms of what this process stands on. */
export function dependencyMetrics(
  { objectStore, kms }: Pick<TenantStorage, 'objectStore' | 'kms'>,
  database: Database,
  sweeper: Sweeper,
  queue: PackHints,
): DependencyMetrics {
  const context = { tenantId: SERVICE_TENANT_ID, kekVersion: 1, purpose: 'probe' }
  return new DependencyMetrics(
    {
      object_store: (signal) => objectStore.probe({ signal }),
      kms: () => kms.wrap(context, new Uint8Array(32)),
      queue: () => queue.probe(),
      database: () => database.withoutTenant((tx) => tx.query`select 1 as one`),
    },
    () => sweeper.stagedAcrossTenants(),
  )
}
