import type { TenantScope } from '@agentfs/access'
import { assertWritable, createOrConfirm } from '@agentfs/storage'
import type { TenantResources } from '../ports.js'

/** The object store as followers use it: each tenant's own, under its prefix. */
export class TenantObjects {
  readonly #resources: TenantResources

  constructor(resources: TenantResources) {
    this.#resources = resources
  }

  /** Throws `unavailable` where the store is known to be away: before rows are written for what could not be stored. */
  async assertWritable(scope: TenantScope): Promise<void> {
    assertWritable((await this.#resources.resolve(scope)).objectStore)
  }

  /** Creates an object under a key that nobody else uses; an attempt that had landed unheard counts. */
  async create(scope: TenantScope, objectKey: string, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { objectStore, objectPrefix } = await this.#resources.resolve(scope)
    await createOrConfirm(objectStore, objectPrefix + objectKey, body, signal === undefined ? {} : { signal })
  }

  /** A whole object. */
  async get(scope: TenantScope, objectKey: string, signal?: AbortSignal): Promise<Uint8Array> {
    const { objectStore, objectPrefix } = await this.#resources.resolve(scope)
    return objectStore.get(objectPrefix + objectKey, signal === undefined ? {} : { signal })
  }

  /** Deletes objects that have a `dead` row, so many at a time; gives those that stay, by their keys, and why. */
  async delete(
    scope: TenantScope,
    objectKeys: readonly string[],
    atOnce: number,
  ): Promise<ReadonlyMap<string, unknown>> {
    const { objectStore, objectPrefix } = await this.#resources.resolve(scope)
    const left = new Map<string, unknown>()
    for (let from = 0; from < objectKeys.length; from += atOnce) {
      const some = objectKeys.slice(from, from + atOnce).map(async (objectKey) => {
        await objectStore
          .delete(objectPrefix + objectKey)
          .catch((error: unknown) => void left.set(objectKey, error))
      })
      await Promise.all(some)
    }
    return left
  }
}
