import { isAgentfsError } from '@agentfs/contracts'
import type { Kms } from '@agentfs/crypto'
import type { TenantResources } from '@agentfs/engine'
import {
  type GuardedObjectStore,
  type ObjectStore,
  openObjectStore,
  proveObjectStore,
} from '@agentfs/storage'
import type { Logger } from 'pino'
import type { ServiceSecrets } from '../secrets/service-secrets.js'
import { ledgerServiceSecrets } from '../secrets/ledger-service-secrets.js'
import type { Shutdown } from './shutdown.js'

/** Opens the object store and proves that it keeps its promises, unless it is away: writes are staged meanwhile [OUT-1]. */
export async function openStorage(
  url: string,
  secrets: ServiceSecrets,
  log: Logger,
  shutdown: Shutdown,
): Promise<GuardedObjectStore> {
  const store = await openObjectStore(url)
  shutdown.add('object store', () => store.close())
  try {
    await proveObjectStore(store)
    await ledgerServiceSecrets(store, secrets)
  } catch (error) {
    if (!isAgentfsError(error, 'unavailable')) throw error
    log.warn(
      { store: store.describe() },
      'the object store does not answer; writes wait in the database until it does',
    )
  }
  return store
}

/** One bucket and one KMS for all tenants; their keys keep them apart. */
export function sharedResources(objectStore: ObjectStore, kms: Kms): TenantResources {
  const resolved = Promise.resolve({ objectStore, objectPrefix: '', kms })
  return { resolve: () => resolved }
}
