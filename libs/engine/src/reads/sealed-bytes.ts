import type { TenantScope } from '@agentfs/access'
import { AgentfsError } from '@agentfs/contracts'
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

  /** The bytes of a part, manifest or record of id `id`; `object_corrupt` where no place is known. */
  async get(scope: TenantScope, id: string, place: SealedPlace): Promise<Uint8Array> {
    if (place.sealed !== null) return place.sealed
    const name = `${scope.tenantId}/${id}`
    const cached = this.#cache.get(name)
    if (cached !== undefined) return cached
    const underWay = this.#underWay.get(name)
    if (underWay !== undefined) return underWay
    const fetching = this.#fetch(scope, id, place).finally(() => this.#underWay.delete(name))
    this.#underWay.set(name, fetching)
    const bytes = await fetching
    this.#cache.put(name, bytes)
    return bytes
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
