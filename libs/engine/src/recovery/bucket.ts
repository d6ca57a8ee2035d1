import type { TenantScope } from '@agentfs/access'
import { isAgentfsError, isUuid } from '@agentfs/contracts'
import {
  type ObjectStore,
  scanSegment,
  type ScannedSegment,
  type SegmentHeader,
  type SegmentIndex,
  openSegmentIndex,
} from '@agentfs/storage'
import { tenantPrefix } from '../followers/object-keys.js'
import type { TenantResources } from '../ports.js'
import { PartObjects } from './part-objects.js'

/** A segment of the bucket by what its header says. */
export interface FoundSegment {
  readonly key: string
  readonly size: number
  readonly header: SegmentHeader
  /** False where its index names contents only. */
  readonly hasRecords: boolean
}

/** An object of a tree image, by its name; the image's head has the image's id. */
export interface FoundImageObject {
  readonly key: string
  readonly size: number
  readonly imageId: string
  readonly objectId: string
}

/** A list of versions that are beginnings of another one, by its name. */
export interface FoundPrefixList {
  readonly key: string
  readonly size: number
  readonly targetId: string
  readonly objectId: string
}

/** An object that could not be read as what its name says. */
export interface UnreadObject {
  readonly object: string
  readonly problem: string
  /** Of an object that stands all the same: its bytes. */
  readonly size?: number
}

/** What stands below an agent's prefix, or directly below a tenant's. */
export interface FoundObjects {
  readonly segments: readonly FoundSegment[]
  readonly parts: PartObjects
  /** Lists of versions that are beginnings of another one, newest first. */
  readonly prefixLists: readonly FoundPrefixList[]
  readonly images: readonly FoundImageObject[]
  readonly unread: readonly UnreadObject[]
}

const READS_AT_ONCE = 16

/** A tenant's objects as the bucket has them, without a database. Keys are given without the bucket's prefix. */
export class Bucket {
  readonly #store: ObjectStore
  readonly #prefix: string

  private constructor(store: ObjectStore, prefix: string) {
    this.#store = store
    this.#prefix = prefix
  }

  /** Everything in a store, whosoever it is. */
  static all(store: ObjectStore): Bucket {
    return new Bucket(store, '')
  }

  static async of(resources: TenantResources, scope: TenantScope): Promise<Bucket> {
    const { objectStore, objectPrefix } = await resources.resolve(scope)
    return new Bucket(objectStore, objectPrefix)
  }

  /** Ids of the tenants that the bucket holds anything of, one look each. */
  async *tenants(): AsyncGenerator<string> {
    yield* this.#folders('tenants/')
  }

  /** Ids of the agents that a tenant's part of the bucket holds anything of. */
  async *agents(scope: TenantScope): AsyncGenerator<string> {
    yield* this.#folders(`${tenantPrefix(scope)}/agents/`)
  }

  /** The segments and parts of an agent, or (agent null) of the tenant's own stream. */
  async objects(scope: TenantScope, agentId: string | null): Promise<FoundObjects> {
    const owner = agentId === null ? tenantPrefix(scope) : `${tenantPrefix(scope)}/agents/${agentId}`
    const segments: FoundSegment[] = []
    const unread: UnreadObject[] = []
    let waiting: Promise<void>[] = []
    for await (const { key, size } of this.list(`${owner}/seg/`)) {
      waiting.push(
        this.#header(scope, agentId, key, size).then(
          (found) => void ('header' in found ? segments.push(found) : unread.push(found)),
        ),
      )
      if (waiting.length < READS_AT_ONCE) continue
      await Promise.all(waiting)
      waiting = []
    }
    await Promise.all(waiting)
    const parts = new PartObjects()
    if (agentId !== null) {
      for await (const { key, size } of this.list(`${owner}/part/`)) {
        if (!parts.add(key.slice(`${owner}/part/`.length), size)) {
          unread.push({ object: key, problem: 'its name is not that of a part' })
        }
      }
    }
    const prefixLists: FoundPrefixList[] = []
    for await (const { ids, ...object } of this.#named(`${owner}/prefixes/`, unread)) {
      prefixLists.push({ ...object, targetId: ids[0], objectId: ids[1] })
    }
    const images: FoundImageObject[] = []
    for await (const { ids, ...object } of this.#named(`${owner}/tree/`, unread)) {
      images.push({ ...object, imageId: ids[0], objectId: ids[1] })
    }
    prefixLists.sort((left, right) => (left.objectId < right.objectId ? 1 : -1))
    return { segments, parts, prefixLists, images, unread }
  }

  /** Objects below a prefix, in the order of their keys. */
  async *list(prefix: string, cursor?: string): AsyncGenerator<{ key: string; size: number }> {
    const from = cursor === undefined ? undefined : this.#prefix + cursor
    for await (const { key, size } of this.#store.list(this.#prefix + prefix, from)) {
      yield { key: key.slice(this.#prefix.length), size }
    }
  }

  /** A whole object. */
  get(key: string): Promise<Uint8Array> {
    return this.#store.get(this.#prefix + key)
  }

  /** A run of an object. */
  getRange(key: string, from: number, length: number): Promise<Uint8Array> {
    return this.#store.getRange(this.#prefix + key, from, length)
  }

  /** Header and index of a segment; undefined where they are damaged. */
  async index(key: string, size: number): Promise<SegmentIndex | undefined> {
    try {
      return await openSegmentIndex((from, length) => this.getRange(key, from, length), size, key)
    } catch (error) {
      if (isAgentfsError(error, 'object_corrupt')) return undefined
      throw error
    }
  }

  /** What can be had of a segment, damaged or not. */
  async scan(key: string): Promise<ScannedSegment> {
    return scanSegment(await this.get(key), key)
  }

  /** Objects below a prefix that are named by two ids; others are `unread`. */
  async *#named(
    prefix: string,
    unread: UnreadObject[],
  ): AsyncGenerator<{ key: string; size: number; ids: readonly [string, string] }> {
    for await (const { key, size } of this.list(prefix)) {
      const name = key.slice(prefix.length)
      const ids = [name.slice(0, 36), name.slice(37)] as const
      if (isUuid(ids[0]) && isUuid(ids[1])) yield { key, size, ids }
      else unread.push({ object: key, problem: 'its name is not that of any object of ours' })
    }
  }

  async #header(
    scope: TenantScope,
    agentId: string | null,
    key: string,
    size: number,
  ): Promise<FoundSegment | UnreadObject> {
    try {
      const index = await this.index(key, size)
      const header = index === undefined ? (await this.scan(key)).header : index.header
      if (header === null) return { object: key, size, problem: 'it is no segment, or its header is damaged' }
      const own = header.tenantId === scope.tenantId && header.agentId === agentId
      if (!own || !key.endsWith(`/${header.segmentId}`)) {
        return { object: key, size, problem: 'it is the segment of something else' }
      }
      const hasRecords =
        index === undefined || index.entries.some(({ kind }) => kind === 'record' || kind === 'recordBlock')
      return { key, size, header, hasRecords }
    } catch (error) {
      // Gone since it was listed.
      if (isAgentfsError(error, 'not_found')) return { object: key, problem: 'it went while it was read' }
      throw error
    }
  }

  /** The next level of names below a prefix: after each, the listing goes on behind all that it holds. */
  async *#folders(prefix: string): AsyncGenerator<string> {
    for (let cursor: string | undefined; ;) {
      let folder: string | undefined
      for await (const { key } of this.list(prefix, cursor)) {
        folder = key.slice(prefix.length).split('/')[0]
        break
      }
      if (folder === undefined) return
      if (isUuid(folder)) yield folder
      // '0' follows '/'.
      cursor = `${prefix}${folder}0`
    }
  }
}
