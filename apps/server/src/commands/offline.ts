import type { Kms } from '@agentfs/crypto'
import { Sweeper, type TenantResources } from '@agentfs/engine'
import type { Database, ObjectStore } from '@agentfs/storage'
import { pino } from 'pino'
import type { ServerConfig } from '../config.js'
import { openServiceSecrets } from '../secrets/service-secrets.js'
import { openDatabase } from '../service/open-database.js'
import { openStorage, sharedResources } from '../service/open-storage.js'
import { withOfflineHome, type OfflineHome } from './offline-home.js'

/** What a command works with that needs the service's state, not the service. */
export interface OfflineService extends Pick<OfflineHome, 'signal' | 'note'> {
  readonly database: Database
  readonly resources: TenantResources
  readonly objectStore: ObjectStore
  readonly kms: Kms
  readonly sweeper: Sweeper
}

/** Opens database, object store and KMS for `work`, starting the embedded Postgres where there is no other, and closes them. */
export function withOfflineService(
  config: ServerConfig,
  work: (service: OfflineService) => Promise<number>,
): Promise<number> {
  const stopped = 'stopped; what is left will be done the next time'
  return withOfflineHome(config, stopped, async ({ home, shutdown, signal, note }) => {
    const { database } = await openDatabase({ config, home, shutdown, progress: note, signal })
    const sweeper = new Sweeper({ database })
    const { kms, ...secrets } = await openServiceSecrets(home, config.kms, await hasTenants(sweeper))
    const quiet = pino({ enabled: false })
    const objectStore = await openStorage(config.objectStore, { kms, ...secrets }, quiet, shutdown)
    const resources = sharedResources(objectStore, kms)
    return work({ database, resources, objectStore, kms, sweeper, signal, note })
  })
}

async function hasTenants(sweeper: Sweeper): Promise<boolean> {
  for await (const _scope of sweeper.tenantsAcrossTenants()) return true
  return false
}
