import { mintTenantScope } from '@agentfs/access'
import { AgentfsError, isAgentfsError } from '@agentfs/contracts'
import { SERVICE_TENANT_ID } from '@agentfs/crypto'
import {
  advanceGeneration,
  type Database,
  databaseIdentity,
  noteBehind,
  readGeneration,
} from '@agentfs/storage'
import type { TenantResources } from '../ports.js'

const SERVICE = mintTenantScope(SERVICE_TENANT_ID)
const KEY = 'service/generation'

/** True where a database has ever counted: a service ran on it. */
export async function hasCounted(database: Database): Promise<boolean> {
  return (await countOf(database)) !== undefined
}

/**
 * Tells a database that is older than its bucket: both hold a count that the service moves on at each start and every
 * minute, the database first. A bucket that is ahead has seen a time that the database knows nothing of.
 */
export class Generation {
  readonly #database: Database
  readonly #resources: TenantResources

  constructor(database: Database, resources: TenantResources) {
    this.#database = database
    this.#resources = resources
  }

  /** Counts on, unless the bucket is ahead. Throws `unavailable` where the bucket does not answer. */
  async countOn(): Promise<'counted' | 'behind'> {
    // The object first: other processes count on meanwhile, the database before the object.
    const stored = await this.#stored()
    const own = await countOf(this.#database)
    if (own?.behind === true || stored > (own?.counter ?? 0)) return 'behind'
    await this.#advance(0)
    return 'counted'
  }

  /** Whether the database was proven to be older, by any process; and which server it is on, in words that only compare. */
  async standing(): Promise<{ readonly behind: boolean; readonly server: string }> {
    return this.#database.withTenant(SERVICE, async (tx) => ({
      behind: (await readGeneration(tx))?.behind ?? false,
      server: await databaseIdentity(tx),
    }))
  }

  /** Counts on from the bucket's count: for a database that has all that the bucket has. */
  async catchUp(): Promise<void> {
    await this.#advance(await this.#stored())
    await this.#database.withTenant(SERVICE, (tx) => noteBehind(tx, false))
  }

  /** Notes that the database was proven to be older than its bucket: whoever counts next is told, until it has caught up. */
  async distrust(): Promise<void> {
    await this.#database.withTenant(SERVICE, (tx) => noteBehind(tx, true))
  }

  /** What is wrong with the bucket's count, for fsck; undefined where it is one, or there is none. */
  async problem(): Promise<{ readonly object: string; readonly problem: string } | undefined> {
    try {
      await this.#stored()
      return undefined
    } catch (error) {
      if (!isAgentfsError(error, 'object_corrupt')) throw error
      return {
        object: KEY,
        problem: 'holds no count: a database restored from a backup would not be noticed',
      }
    }
  }

  async #advance(beyond: number): Promise<void> {
    const counter = await this.#database.withTenant(SERVICE, (tx) => advanceGeneration(tx, beyond))
    const { objectStore, objectPrefix } = await this.#resources.resolve(SERVICE)
    await objectStore.put(objectPrefix + KEY, Buffer.from(`${counter}\n`))
  }

  async #stored(): Promise<number> {
    const { objectStore, objectPrefix } = await this.#resources.resolve(SERVICE)
    const key = objectPrefix + KEY
    try {
      const text = Buffer.from(await objectStore.get(key)).toString('utf8')
      if (!/^\d{1,15}\n$/.test(text))
        throw new AgentfsError('object_corrupt', { detail: `${key} holds no count` })
      return Number(text)
    } catch (error) {
      if (isAgentfsError(error, 'not_found')) return 0
      throw error
    }
  }
}

function countOf(database: Database): ReturnType<typeof readGeneration> {
  return database.withTenant(SERVICE, (tx) => readGeneration(tx))
}
