import type { TenantScope } from '@agentfs/access'
import { AgentfsError, isAgentfsError } from '@agentfs/contracts'
import type { SealedPlace } from '@agentfs/storage'
import type { TenantResources } from '../ports.js'
import { ByteCache } from './byte-cache.js'

/**
 * Sealed bytes wherever they are: staged in the row, else one range GET, which concurrent readers share and a cache keeps.
 * What is cached is ciphertext, and never changes under its id.
 */
export class SealedBytes {
  readonly #resources: TenantResources
  readonly #cache: ByteCache
  readonly #underWay = new Map<string, Promise<Uint8Array>>()

  constructor(resources: TenantResources, cacheBytes: number) {
    this.#resources = resources
    this.#cache = new ByteCache(cacheBytes)
  }

  /**
   * What `open` makes of the bytes of a part, manifest or record of id `id`; `object_corrupt` where no place is known, or
   * where `open` finds damage. Bytes may be damaged on their way, which a range GET does not show: so those in which
   * `open` finds damage are not kept, and fetched anew once before they are called damaged.
   */
  async open<T>(
    scope: TenantScope,
    id: string,
    place: SealedPlace,
    open: (sealed: Uint8Array) => T,
  ): Promise<T> {
    if (place.sealed !== null) return open(place.sealed)
    const sealed = await this.#get(scope, id, place)
    try {
      return open(sealed)
    } catch (error) {
      if (!isAgentfsError(error, 'object_corrupt')) throw error
      this.#drop(scope, id, sealed)
    }
    const again = await this.#get(scope, id, place)
    try {
      return open(again)
    } catch (error) {
      this.#drop(scope, id, again)
      throw error
    }
  }

  async #get(scope: TenantScope, id: string, place: SealedPlace): Promise<Uint8Array> {
    const name = nameOf(scope, id)
    const cached = this.#cache.get(name)
    if (cached !== undefined) return cached
    const underWay = this.#underWay.get(name)
    if (underWay !== undefined) return underWay
    const fetching = this.#fetch(scope, id, place)
      .then((bytes) => {
        this.#cache.put(name, bytes)
        return bytes
      })
      .finally(() => this.#underWay.delete(name))
    this.#underWay.set(name, fetching)
    return fetching
  }

  /** Only these bytes: another reader may have fetched good ones meanwhile. */
  #drop(scope: TenantScope, id: string, bytes: Uint8Array): void {
    const name = nameOf(scope, id)
    if (this.#cache.get(name) === bytes) this.#cache.remove(name)
  }

  async #fetch(scope: TenantScope, id: string, place: SealedPlace): Promise<Uint8Array> {
    if (place.objectKey === null || place.objectOffset === null) {
      throw new AgentfsError('object_corrupt', { objectId: id, reason: 'no place holds it' })
    }
    const { objectStore, objectPrefix } = await this.#resources.resolve(scope)
    const key = objectPrefix + place.objectKey
    try {
      return await objectStore.getRange(key, place.objectOffset, place.sealedLength)
    } catch (error) {
      if (!(error instanceof AgentfsError) || error.code !== 'not_found') throw error
      // A missing object is damage, not a missing file.
      throw new AgentfsError(
        'object_corrupt',
        { objectId: id, object: key, reason: 'missing' },
        { cause: error },
      )
    }
  }
}

function nameOf({ tenantId }: TenantScope, id: string): string {
  return `${tenantId}/${id}`
}
