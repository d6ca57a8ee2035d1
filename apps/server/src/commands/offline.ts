import type { Kms } from '@agentfs/crypto'
import { Sweeper, type TenantResources } from '@agentfs/engine'
import type { Database, ObjectStore } from '@agentfs/storage'
import { pino } from 'pino'
import type { ServerConfig } from '../config.js'
import { homeAt, lockHome, makeHome } from '../home.js'
import { explain } from '../operator-error.js'
import { openServiceSecrets } from '../secrets/service-secrets.js'
import { openDatabase } from '../service/open-database.js'
import { openStorage, sharedResources } from '../service/open-storage.js'
import { Shutdown } from '../service/shutdown.js'
import { onSignals } from './signals.js'

/** What a command works with that needs the service's state, not the service. */
export interface OfflineService {
  readonly database: Database
  readonly resources: TenantResources
  readonly objectStore: ObjectStore
  readonly kms: Kms
  readonly sweeper: Sweeper
  readonly signal: AbortSignal
  /** A remark for people, on stderr. */
  readonly note: (line: string) => void
}

/**
 * Opens database, object store and KMS for `work`, starting the embedded Postgres where there is no other, and closes them.
 * Gives what `work` gives; 130 or 143 where a signal ended it.
 */
export async function withOfflineService(
  config: ServerConfig,
  work: (service: OfflineService) => Promise<number>,
): Promise<number> {
  const home = homeAt(config.home)
  await makeHome(home)
  const note = (line: string): void => void process.stderr.write(`${line}\n`)
  const shutdown = new Shutdown((name, error) => note(`stopping: ${name}: ${explain(error)}`))
  const stopping = new AbortController()
  let stoppedBy: NodeJS.Signals | undefined
  const stopSignals = onSignals((signal) => {
    stoppedBy = signal
    stopping.abort()
  })
  const { signal } = stopping
  try {
    if (config.databaseUrl === undefined) {
      const lock = lockHome(home)
      shutdown.add('lock', () => lock.release())
    }
    const { database } = await openDatabase({ config, home, shutdown, progress: note, signal })
    const sweeper = new Sweeper({ database })
    const { kms, ...secrets } = await openServiceSecrets(home, config.kms, await hasTenants(sweeper))
    const quiet = pino({ enabled: false })
    const objectStore = await openStorage(config.objectStore, { kms, ...secrets }, quiet, shutdown)
    const resources = sharedResources(objectStore, kms)
    return await work({ database, resources, objectStore, kms, sweeper, signal, note })
  } catch (error) {
    if (stoppedBy === undefined) throw error
    note('stopped; what is left will be done the next time')
    return stoppedBy === 'SIGINT' ? 130 : 143
  } finally {
    await shutdown.run()
    stopSignals()
  }
}

async function hasTenants(sweeper: Sweeper): Promise<boolean> {
  for await (const _scope of sweeper.tenantsAcrossTenants()) return true
  return false
}
