import type { TenantScope } from '@agentfs/access'
import { AgentfsError, isAgentfsError, uuidv7 } from '@agentfs/contracts'
import {
  addStagedBytes,
  type Database,
  findPartFacts,
  insertParts,
  insertWritingObject,
  lockAgent,
  markObjectsDead,
  type NewPartRow,
} from '@agentfs/storage'
import { partKey } from '../followers/object-keys.js'
import type { UsableKey } from '../keys/key-vault.js'
import type { Clock, EngineLog, TenantResources } from '../ports.js'
import type { SealedPart } from './built-content.js'
import { sealPart } from './seal-part.js'
import type { StagingLimits } from './staging-limits.js'

/** Keeps parts of large content before a commit names them [SY-13]. */
export class PartUploader {
  readonly #database: Database
  readonly #resources: TenantResources
  readonly #limits: StagingLimits
  readonly #clock: Clock
  readonly #log: EngineLog

  constructor(
    database: Database,
    resources: TenantResources,
    limits: StagingLimits,
    clock: Clock,
    log: EngineLog,
  ) {
    this.#database = database
    this.#resources = resources
    this.#limits = limits
    this.#clock = clock
    this.#log = log
  }

  /**
   * Seals a part and PUTs it as an object of its own, announced by its row before; where the object store does not take it,
   * it is staged in Postgres within the limits [OUT-1]. `key` must be committed. Sending a part twice keeps the first.
   */
  async keep(
    scope: TenantScope,
    agentId: string,
    nodeId: string,
    key: UsableKey,
    plaintext: Uint8Array,
    partId: string = uuidv7(),
  ): Promise<{ readonly part: SealedPart; readonly created: boolean }> {
    const part = sealPart(scope.tenantId, key, plaintext, partId)
    const objectId = await this.#put(scope, agentId, part.sealed)
    const kept: SealedPart = objectId === null ? part : { ...part, sealed: null, objectId }
    if (objectId === null) await this.#limits.requireRoom(scope, part.sealedLength)
    const created = await this.#insert(scope, agentId, { ...kept, nodeId })
    if (created) return { part: kept, created }
    return { part: await this.#standing(scope, agentId, part), created }
  }

  /** Lets go of parts that no version will name, because the content was there already. */
  async release(scope: TenantScope, parts: readonly SealedPart[]): Promise<void> {
    const objectIds = parts.flatMap(({ objectId }) => (objectId === null ? [] : [objectId]))
    if (objectIds.length === 0) return
    await this.#database.withTenant(scope, (tx) =>
      markObjectsDead(tx, objectIds, new Date(this.#clock.now())),
    )
  }

  /** The id of the object that holds the bytes; null where the store does not take them now. */
  async #put(scope: TenantScope, agentId: string, sealed: Uint8Array): Promise<string | null> {
    const objectId = uuidv7()
    const objectKey = partKey(scope, agentId, objectId)
    const object = { objectId, streamId: agentId, kind: 'part', objectKey, size: sealed.length } as const
    await this.#database.withTenant(scope, (tx) =>
      insertWritingObject(tx, object, new Date(this.#clock.now())),
    )
    const { objectStore, objectPrefix } = await this.#resources.resolve(scope)
    try {
      await objectStore.putIfAbsent(objectPrefix + objectKey, sealed)
      return objectId
    } catch (error) {
      if (!isAgentfsError(error, 'unavailable') && !isAgentfsError(error, 'internal')) throw error
      this.#log.warn('the object store does not take a part; it is staged', { reason: error.message })
      return null
    }
  }

  #insert(scope: TenantScope, agentId: string, row: NewPartRow): Promise<boolean> {
    const at = new Date(this.#clock.now())
    return this.#database.withTenant(scope, async (tx) => {
      const locked = row.sealed === null ? undefined : await lockAgent(tx, agentId)
      const inserted = await insertParts(tx, agentId, [row], { epoch: locked?.epoch ?? 0, seq: null, at })
      if (inserted.length > 0 && row.sealed !== null) void addStagedBytes(tx, agentId, row.sealedLength)
      if (inserted.length === 0 && row.objectId !== null) void markObjectsDead(tx, [row.objectId], at)
      return inserted.length > 0
    })
  }

  async #standing(scope: TenantScope, agentId: string, part: SealedPart): Promise<SealedPart> {
    const [fact] = await this.#database.withTenant(scope, (tx) => findPartFacts(tx, agentId, [part.partId]))
    const same = fact !== undefined && Buffer.from(fact.contentMac).equals(part.contentMac)
    if (!same) throw new AgentfsError('already_exists', { detail: 'a part of this id holds other bytes' })
    return { ...part, keyId: fact.keyId, sealed: null, objectId: fact.objectId }
  }
}
