import { isAgentfsError } from '@agentfs/contracts'
import { databaseForRecovery, hasCounted, tenantsInBucket } from '@agentfs/engine'
import { type Database, openObjectStore } from '@agentfs/storage'
import type { ServerConfig } from '../config.js'
import { OperatorError } from '../operator-error.js'

/**
 * Refuses to run on a database that is not the object store's: on an empty one beside a bucket with tenants in it a new
 * service would begin, with new keys, over the old one's objects; on one that is only half rebuilt files would be missing.
 */
export async function requireKnownBucket(
  config: ServerConfig,
  database: Database,
  hasTenants: boolean,
): Promise<void> {
  // One that counted was brought up from a backup: this start goes on with that.
  if ((await databaseForRecovery(database)) === 'unfinished' && !(await hasCounted(database))) {
    throw new OperatorError('the database is only half rebuilt', {
      remedy: 'Type: agentfs-server recover. It goes on where it was.',
    })
  }
  if (hasTenants) return
  const store = await openObjectStore(config.objectStore)
  try {
    const { done } = await tenantsInBucket(store).next()
    if (done !== true) {
      throw new OperatorError('the database is empty, and the object store holds tenants', {
        remedy:
          'If the database was lost, type: agentfs-server recover. For a new service set OBJECT_STORE to an empty place.',
      })
    }
  } catch (error) {
    // A new service may begin while its object store is away; there is nothing of its own in it yet.
    if (!isAgentfsError(error, 'unavailable')) throw error
  } finally {
    await store.close()
  }
}
