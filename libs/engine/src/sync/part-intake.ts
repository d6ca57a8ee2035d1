import { createHash } from 'node:crypto'
import type { TenantScope } from '@agentfs/access'
import { AgentfsError, type PartAnswer, PART_BYTES_MAX, uuidv7 } from '@agentfs/contracts'
import {
  addStagedBytes,
  type AgentRow,
  type Database,
  findPartFacts,
  findPrepareFacts,
  insertKeys,
  insertParts,
  insertWritingObject,
  keysOfNodes,
  findKeys,
} from '@agentfs/storage'
import { sealPart } from '../content/seal-part.js'
import { partKey } from '../followers/object-keys.js'
import type { KeyVault, UsableKey } from '../keys/key-vault.js'
import type { Clock, EngineLog, TenantResources } from '../ports.js'
import type { Backlog } from './backlog.js'

/** A part as it arrives. */
export interface IncomingPart {
  readonly node: string
  readonly part: string
  readonly data: Uint8Array
  readonly sha256?: Uint8Array
}

/**
 * Takes parts ahead of the push that names them [SY-13]: sealed, then an object of its own, whose row is committed as
 * `writing` before the PUT; staged in Postgres where the object store does not take it.
 */
export class PartIntake {
  readonly #database: Database
  readonly #vault: KeyVault
  readonly #resources: TenantResources
  readonly #backlog: Backlog
  readonly #clock: Clock
  readonly #log: EngineLog

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
  }

  /** Keeps a part; one that is there already stays as it is. */
  async take(
    scope: TenantScope,
    agent: AgentRow,
    incoming: IncomingPart,
  ): Promise<{ created: boolean; answer: PartAnswer }> {
    const { data, part } = incoming
    if (data.length === 0 || data.length > PART_BYTES_MAX) {
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
    const [known] = await this.#database.withTenant(scope, (tx) => findPartFacts(tx, agent.agentId, [part]))
    if (known !== undefined) {
      return { created: false, answer: { part, size: known.size, state: known.staged ? 'staged' : 'stored' } }
    }
    await this.#backlog.assertRoom(scope)
    const key = await this.#keyFor(scope, agent, incoming.node)
    const sealed = sealPart(scope.tenantId, key, data, part)
    const objectId = await this.#store(scope, agent, part, sealed.sealed)
    const staged = objectId === null
    await this.#database.withTenant(scope, async (tx) => {
      const at = new Date(this.#clock.now())
      const row = { ...sealed, nodeId: incoming.node, sealed: staged ? sealed.sealed : null, objectId }
      const inserted = await insertParts(tx, agent.agentId, [row], { epoch: agent.epoch, seq: null, at })
      if (staged && inserted.length > 0) await addStagedBytes(tx, agent.agentId, sealed.sealedLength)
    })
    return { created: true, answer: { part, size: data.length, state: staged ? 'staged' : 'stored' } }
  }

  /** The id of the object that holds the part now; null where the object store did not take it. */
  async #store(
    scope: TenantScope,
    agent: AgentRow,
    partId: string,
    sealed: Uint8Array,
  ): Promise<string | null> {
    const objectId = uuidv7()
    const objectKey = partKey(scope, agent.agentId, partId, objectId)
    const at = new Date(this.#clock.now())
    const object = {
      objectId,
      streamId: agent.agentId,
      kind: 'part',
      objectKey,
      size: sealed.length,
    } as const
    await this.#database.withTenant(scope, (tx) => insertWritingObject(tx, object, at))
    try {
      const { objectStore, objectPrefix } = await this.#resources.resolve(scope)
      await objectStore.putIfAbsent(objectPrefix + objectKey, sealed)
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

  /** The node's content key; a provisional one, owned by the node to come, where it is new. */
  async #keyFor(scope: TenantScope, agent: AgentRow, node: string): Promise<UsableKey> {
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
