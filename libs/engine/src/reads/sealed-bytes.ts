import type { TenantScope } from '@agentfs/access'
import { AgentfsError, isAgentfsError } from '@agentfs/contracts'
import { SEALED_HEAD_BYTES, sealedRange, type SealedSlice } from '@agentfs/crypto'
import type { SealedPlace } from '@agentfs/storage'
import type { TenantResources } from '../ports.js'
import { ByteCache } from './byte-cache.js'
import { planFetch } from './fetch-plan.js'

/**
 * Whether bytes are kept for the next reader; a stream through a large file would push out everything that was, and shares
 * what it fetches with nobody.
 */
export type Use = 'keep' | 'once'

/** A range of more than one eighth of a part fetches all of it: what follows is likely to be asked for next. */
const WHOLE_ABOVE = 8
const EMPTY = new Uint8Array(0)

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
   * `open` finds damage are not kept, and fetched anew once before they are called damaged. Where it is told that they are
   * `alone` nobody else has them, and it may give them away.
   */
  async open<T>(
    scope: TenantScope,
    id: string,
    place: SealedPlace,
    open: (sealed: Uint8Array, alone: boolean) => T | Promise<T>,
    use: Use = 'keep',
  ): Promise<T> {
    if (place.sealed !== null) return open(place.sealed, false)
    const alone = use === 'once' && !this.#isNear(scope, id)
    const sealed = await (alone ? this.#fetch(scope, id, place) : this.#get(scope, id, place, use))
    try {
      return await open(sealed, alone)
    } catch (error) {
      if (!isAgentfsError(error, 'object_corrupt')) throw error
      this.#drop(scope, id, sealed)
    }
    const again = await this.#get(scope, id, place, use)
    try {
      return await open(again, false)
    } catch (error) {
      this.#drop(scope, id, again)
      throw error
    }
  }

  /**
   * The same for a range of the plaintext. A small one of a large part fetches the 72 bytes that every reader needs and the
   * chunks that hold the range, and leaves the rest where it is.
   */
  async openRange<T>(
    scope: TenantScope,
    id: string,
    place: SealedPlace,
    range: { readonly from: number; readonly length: number },
    open: (slice: SealedSlice, alone: boolean) => T | Promise<T>,
    use: Use = 'keep',
  ): Promise<T> {
    const { sealedLength } = place
    const run = sealedRange(range.from, range.length, sealedLength)
    const bytes = { id: `${id}/${run.from}-${run.to}`, place: within(place, run.from, run.to - run.from) }
    if (
      place.sealed !== null ||
      this.#isNear(scope, id) ||
      (run.to - run.from) * WHOLE_ABOVE > sealedLength
    ) {
      const whole = (sealed: Uint8Array, alone: boolean): T | Promise<T> =>
        open({ head: sealed, bytes: sealed, from: 0, sealedLength }, alone)
      return this.open(scope, id, place, whole, use)
    }
    const head = { id: `${id}/head`, place: within(place, 0, SEALED_HEAD_BYTES) }
    const attempt = async (): Promise<T> => {
      const fetched = await Promise.all([head, bytes].map((it) => this.#get(scope, it.id, it.place, use)))
      const [headBytes = EMPTY, chunks = EMPTY] = fetched
      try {
        return await open({ head: headBytes, bytes: chunks, from: run.from, sealedLength }, false)
      } catch (error) {
        this.#drop(scope, head.id, headBytes)
        this.#drop(scope, bytes.id, chunks)
        throw error
      }
    }
    return attempt().catch((error: unknown) => {
      if (!isAgentfsError(error, 'object_corrupt')) throw error
      return attempt()
    })
  }

  /**
   * Fetches ahead what will be opened next, in as few requests as there are runs of neighbours; what is here or on its way
   * is left out, and a failure is for whoever opens it to meet. Returns when all has come.
   */
  async prefetch(
    scope: TenantScope,
    places: readonly (SealedPlace & { readonly id: string })[],
  ): Promise<void> {
    const wanted = places.flatMap(({ id, sealed, objectKey, objectOffset, sealedLength }) =>
      sealed !== null || objectKey === null || objectOffset === null || this.#isNear(scope, id)
        ? []
        : [{ id, objectKey, objectOffset, sealedLength }],
    )
    const runs = planFetch(wanted).map(async ({ objectKey, from, length, holds }) => {
      const place = { sealed: null, objectKey, objectOffset: from, sealedLength: length }
      const run = this.#fetch(scope, `${objectKey} from ${from}`, place)
      const pieces = holds.map(({ id, objectOffset, sealedLength }) => {
        const start = objectOffset - from
        // Copies: a slice would keep all of the run in memory for as long as it is in the cache.
        const piece = run.then((bytes) => Uint8Array.from(bytes.subarray(start, start + sealedLength)))
        return this.#keep(nameOf(scope, id), piece, 'keep')
      })
      await Promise.allSettled(pieces)
    })
    await Promise.all(runs)
  }

  /** True where the whole of it is here, or on its way. */
  #isNear(scope: TenantScope, id: string): boolean {
    const name = nameOf(scope, id)
    return this.#underWay.has(name) || this.#cache.get(name) !== undefined
  }

  async #get(scope: TenantScope, id: string, place: SealedPlace, use: Use): Promise<Uint8Array> {
    const name = nameOf(scope, id)
    const cached = this.#cache.get(name)
    if (cached !== undefined) return cached
    const underWay = this.#underWay.get(name)
    if (underWay !== undefined) return underWay
    return this.#keep(name, this.#fetch(scope, id, place), use)
  }

  /** Shares what is on its way with whoever asks meanwhile, and keeps it for those who ask later. */
  #keep(name: string, bytes: Promise<Uint8Array>, use: Use): Promise<Uint8Array> {
    const fetching = bytes
      .then((fetched) => {
        if (use === 'keep') this.#cache.put(name, fetched)
        return fetched
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

/** The place of some bytes of what stands at a place. */
function within(place: SealedPlace, from: number, length: number): SealedPlace {
  const objectOffset = place.objectOffset === null ? null : place.objectOffset + from
  return { ...place, objectOffset, sealedLength: Math.min(length, place.sealedLength - from) }
}
