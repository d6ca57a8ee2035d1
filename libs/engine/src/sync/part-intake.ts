import { createHash } from 'node:crypto'
import type { TenantScope } from '@agentfs/access'
import { AgentfsError, freeBytes, type PartAnswer, PART_BYTES_MAX, uuidv7 } from '@agentfs/contracts'
import {
  addStagedBytes,
  type AgentRow,
  type Database,
  dropErasedUploads,
  findPrepareFacts,
  insertKeys,
  insertParts,
  insertWritingObjects,
  keysOfNodes,
  findKeys,
  findUploadedParts,
  type UploadedPart,
  type WritingObject,
} from '@agentfs/storage'
import { sealPartAside } from '../content/parts-aside.js'
import type { sealPart } from '../content/seal-part.js'
import { partKey } from '../followers/object-keys.js'
import type { KeyVault, UsableKey } from '../keys/key-vault.js'
import type { Clock, EngineLog, TenantResources } from '../ports.js'
import { RecentMap } from '../reads/recent-map.js'
import type { Backlog } from './backlog.js'
import { GatheredWrites } from './gathered-writes.js'

/** A part as it arrives. */
export interface IncomingPart {
  readonly node: string
  readonly part: string
  readonly data: Uint8Array
  readonly sha256?: Uint8Array
}

/** A part that is sealed, and where it is: in an object, or (without one) to be staged. */
interface TakenPart {
  readonly node: string
  readonly epoch: number
  readonly sealed: ReturnType<typeof sealPart>
  readonly objectId: string | null
}

/** How long a node's key row is believed; a commit that names what it seals reads it again under the lock. */
const KEY_FRESH_MS = 5_000
const KEYS_MAX = 1_000

/**
 * Takes parts ahead of the push that names them [SY-13]: sealed, then an object of its own, whose row is committed as
 * `writing` before the PUT; staged in Postgres where the object store does not take it. Parts that arrive together share
 * their transactions.
 */
export class PartIntake {
  readonly #database: Database
  readonly #vault: KeyVault
  readonly #resources: TenantResources
  readonly #backlog: Backlog
  readonly #clock: Clock
  readonly #log: EngineLog
  readonly #announced: GatheredWrites<WritingObject>
  readonly #taken: GatheredWrites<TakenPart>
  readonly #keys = new RecentMap<{ readonly key: Promise<UsableKey>; readonly atMs: number }>(KEYS_MAX)
  /** Parts whose key was erased while they came: they were not kept, and whoever sends them is about to be told. */
  readonly #late = new Set<string>()

  constructor(options: {
    database: Database
    vault: KeyVault
    resources: TenantResources
    backlog: Backlog
    clock: Clock
    log: EngineLog
  }) {
    this.#database = options.database
    this.#vault = options.vault
    this.#resources = options.resources
    this.#backlog = options.backlog
    this.#clock = options.clock
    this.#log = options.log
    this.#announced = new GatheredWrites((scope, _agentId, objects) =>
      this.#database.withTenant(scope, (tx) =>
        insertWritingObjects(tx, objects, new Date(this.#clock.now())),
      ),
    )
    this.#taken = new GatheredWrites((scope, agentId, parts) => this.#insert(scope, agentId, parts))
  }

  /**
   * Keeps a part; one that is there already stays as it is. The bytes are given away: nobody may use them afterwards.
   * `isNew` where the id was made just now, and is not looked for.
   */
  async take(
    scope: TenantScope,
    agent: AgentRow,
    incoming: IncomingPart,
    isNew = false,
  ): Promise<{ created: boolean; answer: PartAnswer }> {
    const { data, part } = incoming
    const size = data.length
    if (size === 0 || size > PART_BYTES_MAX) {
      throw new AgentfsError('too_large', { detail: `a part has 1 to ${PART_BYTES_MAX} bytes` })
    }
    if (
      incoming.sha256 !== undefined &&
      !createHash('sha256').update(data).digest().equals(incoming.sha256)
    ) {
      throw new AgentfsError('invalid_request', {
        detail: 'the bytes are not those that the digest names; send them again',
      })
    }
    const known = isNew ? undefined : await this.#find(scope, agent, part)
    if (known !== undefined) {
      return { created: false, answer: { part, size: known.size, state: known.staged ? 'staged' : 'stored' } }
    }
    await this.#backlog.assertRoom(scope)
    const key = await this.#keyFor(scope, agent, incoming.node)
    const sealed = await sealPartAside(scope.tenantId, key, data, part)
    const objectId = await this.#store(scope, agent, part, sealed.sealed)
    await this.#taken.add(scope, agent.agentId, { node: incoming.node, epoch: agent.epoch, sealed, objectId })
    if (this.#late.delete(`${agent.agentId}/${part}`)) {
      this.#keys.delete(keyName(scope, agent, incoming.node))
      throw new AgentfsError('unavailable', {
        detail: 'the file was erased while its part came; send it again',
        retryAfterSeconds: 1,
      })
    }
    return { created: true, answer: { part, size, state: objectId === null ? 'staged' : 'stored' } }
  }

  async #find(scope: TenantScope, agent: AgentRow, part: string) {
    const [known] = await this.#database.readTenant(scope, (tx) =>
      findUploadedParts(tx, agent.agentId, [part]),
    )
    return known !== undefined && isTaken(known) ? known : undefined
  }

  async #insert(scope: TenantScope, agentId: string, parts: readonly TakenPart[]): Promise<void> {
    const at = new Date(this.#clock.now())
    const partIds = parts.map(({ sealed }) => sealed.partId)
    const keyIds = [...new Set(parts.map(({ sealed }) => sealed.keyId))]
    const refused = await this.#database.withTenant(scope, async (tx) => {
      const [, keys] = await Promise.all([dropErasedUploads(tx, agentId, partIds), findKeys(tx, keyIds)])
      const standing = new Set(keys.map(({ keyId }) => keyId))
      const late = parts.filter(({ sealed }) => !standing.has(sealed.keyId))
      const usable = parts.filter(({ sealed }) => standing.has(sealed.keyId))
      for (const epoch of new Set(usable.map((part) => part.epoch))) {
        const rows = usable
          .filter((part) => part.epoch === epoch)
          .map(({ node, sealed, objectId }) => {
            return { ...sealed, nodeId: node, sealed: objectId === null ? sealed.sealed : null, objectId }
          })
        const inserted = await insertParts(tx, agentId, rows, { epoch, seq: null, at })
        const ids = new Set(inserted.map(({ partId }) => partId))
        const staged = rows.filter(({ partId, objectId }) => objectId === null && ids.has(partId))
        const bytes = staged.reduce((sum, { sealedLength }) => sum + sealedLength, 0)
        if (bytes > 0) await addStagedBytes(tx, agentId, bytes)
      }
      return late
    })
    for (const { sealed } of refused) this.#late.add(`${agentId}/${sealed.partId}`)
  }

  /** The id of the object that holds the part now, which needs its bytes no more; null where the object store did not take it. */
  async #store(
    scope: TenantScope,
    agent: AgentRow,
    partId: string,
    sealed: Uint8Array,
  ): Promise<string | null> {
    const objectId = uuidv7()
    const objectKey = partKey(scope, agent.agentId, partId, objectId)
    const size = sealed.length
    await this.#announced.add(scope, agent.agentId, {
      objectId,
      streamId: agent.agentId,
      kind: 'part',
      objectKey,
      size,
    })
    try {
      const { objectStore, objectPrefix } = await this.#resources.resolve(scope)
      const outcome = await objectStore.putIfAbsent(objectPrefix + objectKey, sealed)
      // That an object is there already, by an attempt whose answer was lost, may be told before all of it was read: some is
      // still being written then.
      if (outcome === 'created') freeBytes(sealed)
      return objectId
    } catch (error) {
      if (!(error instanceof AgentfsError) || error.code !== 'unavailable') throw error
      // The row stays `writing`; the collector finds it after the grace time.
      this.#log.warn('a part is staged: the object store did not take it', {
        objectKey,
        reason: error.message,
      })
      return null
    }
  }

  /** The node's content key, for the parts of one upload looked up once. */
  #keyFor(scope: TenantScope, agent: AgentRow, node: string): Promise<UsableKey> {
    const name = keyName(scope, agent, node)
    const now = this.#clock.now()
    const known = this.#keys.get(name)
    if (known !== undefined && now - known.atMs < KEY_FRESH_MS) return known.key
    const key = this.#loadKey(scope, agent, node)
    this.#keys.set(name, { key, atMs: now })
    key.catch(() => this.#keys.delete(name))
    return key
  }

  /** The node's content key; a provisional one, owned by the node to come, where it is new. */
  async #loadKey(scope: TenantScope, agent: AgentRow, node: string): Promise<UsableKey> {
    const found = await this.#database.withTenant(scope, async (tx) => {
      const facts = await findPrepareFacts(tx, agent.agentId, {
        nodeIds: [node],
        appendedNodeIds: [],
        versionIds: [],
        partIds: [],
        keyIds: [],
      })
      const own = facts.nodes[0]?.contentKeyId
      const ids = own === null || own === undefined ? await keysOfNodes(tx, agent.agentId, [node]) : [own]
      return findKeys(tx, ids)
    })
    const [usable] = (await this.#vault.unwrap(scope, found)).values()
    if (usable !== undefined) return usable
    const made = await this.#vault.newKey(scope, 'content', { agentId: agent.agentId, nodeId: node })
    await this.#database.withTenant(scope, (tx) => insertKeys(tx, [made.row], new Date(this.#clock.now())))
    return made
  }
}

/**
 * True for a part that is not to be sent again: it is there; or, of a push that comes twice, a commit named it, and it was
 * erased with its file since.
 */
export function isTaken({ erased, named }: UploadedPart): boolean {
  return !erased || named
}

function keyName({ tenantId }: TenantScope, { agentId }: AgentRow, node: string): string {
  return `${tenantId}/${agentId}/${node}`
}
