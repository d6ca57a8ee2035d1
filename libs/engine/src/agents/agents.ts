import type { TenantScope } from '@agentfs/access'
import {
  type Agent,
  type AgentCreateRequest,
  AgentfsError,
  type AgentUpdateRequest,
  type Erasure,
  type ListOf,
  type ListQuery,
  type NodeImage,
  type TenantDelta,
  type TimeSpec,
  uuidv7,
  agentNotFound,
} from '@agentfs/contracts'
import {
  type AgentRow,
  arrayLiteral,
  type Database,
  deleteAgent,
  eraseAgentKeys,
  findAgent,
  findAgentImage,
  insertAgent,
  insertKeys,
  insertStream,
  isUniqueViolation,
  listAgents,
  removeMirrorOfAgent,
  PackingStore,
  saveTree,
  type TenantTransaction,
  updateAgent,
} from '@agentfs/storage'
import type { AgentsApi } from '../api/agents-api.js'
import type { Caller } from '../caller.js'
import type { Erasures } from '../keys/erasures.js'
import type { PackHint } from '../followers/pack-hint.js'
import type { KeyVault } from '../keys/key-vault.js'
import type { Clock } from '../ports.js'
import type { Administration } from '../streams/administration.js'
import { agentImageOf } from '../streams/tenant-state.js'
import type { AgentGate } from './agent-gate.js'

/** Agents of a tenant. */
export class Agents implements AgentsApi {
  readonly #database: Database
  readonly #vault: KeyVault
  readonly #gate: AgentGate
  readonly #administration: Administration
  readonly #erasures: Erasures
  readonly #clock: Clock
  readonly #packHint: PackHint

  constructor(
    database: Database,
    vault: KeyVault,
    gate: AgentGate,
    administration: Administration,
    erasures: Erasures,
    clock: Clock,
    packHint: PackHint,
  ) {
    this.#database = database
    this.#vault = vault
    this.#gate = gate
    this.#administration = administration
    this.#erasures = erasures
    this.#clock = clock
    this.#packHint = packHint
  }

  async create(caller: Caller, request: AgentCreateRequest): Promise<Agent> {
    const { scope, limits } = caller.principal
    if (limits.role !== 'manager' || limits.agents !== null || limits.prefixes !== null) {
      throw new AgentfsError('forbidden', { detail: 'making an agent needs a manager of the whole tenant' })
    }
    const agentId = uuidv7()
    const streamKey = await this.#vault.newKey(scope, 'stream', { agentId })
    const readsKey = await this.#vault.newKey(scope, 'stream', { agentId })
    const at = new Date(this.#clock.now())
    const row: Omit<AgentRow, 'epoch' | 'headSeq'> = {
      agentId,
      name: request.name,
      rootId: uuidv7(),
      streamKeyId: streamKey.keyId,
      settings: request.settings ?? {},
      createdAt: at,
    }
    try {
      await this.#database.withTenant(scope, async (tx) => {
        // Awaited: the unique index decides who has the name.
        await insertAgent(tx, row)
        tx.later(insertKeys(tx, [streamKey.row, readsKey.row], at))
        tx.later(insertStream(tx, { streamId: agentId, kind: 'agent', agentId, keyId: streamKey.keyId }))
        const reads = { streamId: uuidv7(), kind: 'reads', agentId, keyId: readsKey.keyId } as const
        tx.later(insertStream(tx, reads))
        tx.later(
          saveTree(tx, agentId, { nodes: [rootOf(row, at)], entries: [], aliases: [] }, new Map(), {
            seq: 0,
            at,
          }),
        )
        const details = { agent: agentId, name: request.name }
        await this.#administration.record(
          tx,
          caller,
          { action: 'agent.create', node: row.rootId, details },
          await stateOf(tx, agentId),
          agentId,
        )
      })
    } catch (error) {
      throw nameTaken(error)
    }
    await this.#announceStored(scope)
    return answerOf({ ...row, epoch: 0, headSeq: 0 })
  }

  /** Has the tenant's stream stored soon: nothing of the agent can be before it, and its first flush should not wait for that. */
  async #announceStored(scope: TenantScope): Promise<void> {
    // The agent is made, whatever becomes of this; the sweeper stores it within a minute.
    await new PackingStore(this.#database).requestFlush(scope, [scope.tenantId]).catch(() => undefined)
    this.#packHint.hint(scope, scope.tenantId)
  }

  async list(caller: Caller, query: ListQuery): Promise<ListOf<Agent>> {
    const { scope, limits } = caller.principal
    const { limit, cursor = '' } = query
    const only = limits.agents === null ? null : arrayLiteral(limits.agents)
    const rows = await this.#database.readTenant(scope, (tx) => listAgents(tx, cursor, limit + 1, only))
    const page = rows.slice(0, limit)
    return {
      data: page.map(answerOf),
      nextCursor: rows.length > limit ? (page.at(-1)?.name ?? null) : null,
    }
  }

  async get(caller: Caller, agent: string): Promise<Agent> {
    const { agentId } = await this.#gate.open(caller, agent)
    const row = await this.#database.readTenant(caller.principal.scope, (tx) => findAgent(tx, agentId))
    if (row === undefined) throw agentNotFound()
    return answerOf(row)
  }

  async update(caller: Caller, agent: string, request: AgentUpdateRequest): Promise<Agent> {
    const standing = await this.#gate.open(caller, agent)
    await this.#gate.require(caller, standing, '', 'manage')
    const { agentId } = standing
    const change = {
      ...(request.name === undefined ? {} : { name: request.name }),
      ...(request.settings === undefined ? {} : { settings: request.settings }),
    }
    try {
      await this.#database.withTenant(caller.principal.scope, async (tx) => {
        if (Object.keys(change).length > 0) await updateAgent(tx, agentId, change)
        const details = { agent: agentId, name: request.name ?? standing.name }
        const state = await stateOf(tx, agentId)
        await this.#administration.record(tx, caller, { action: 'agent.update', details }, state, agentId)
      })
    } catch (error) {
      throw nameTaken(error)
    }
    this.#gate.forget(caller, agent, agentId, standing.name)
    return this.get(caller, agentId)
  }

  async delete(
    caller: Caller,
    agent: string,
    options: { readonly erase?: boolean } = {},
  ): Promise<Erasure | null> {
    const standing = await this.#gate.open(caller, agent)
    await this.#gate.require(caller, standing, '', 'manage')
    const { agentId, name } = standing
    const { scope } = caller.principal
    const erase = options.erase === true
    const keys = await this.#database.withTenant(scope, async (tx) => {
      const at = new Date(this.#clock.now())
      if (!(await deleteAgent(tx, agentId, at))) return null
      await removeMirrorOfAgent(tx, agentId, at)
      const done = erase ? await eraseAgentKeys(tx, agentId, at) : null
      const details = { agent: agentId, name, ...(erase ? { erased: true } : {}) }
      const state = await stateOf(tx, agentId)
      await this.#administration.record(tx, caller, { action: 'agent.delete', details }, state, agentId)
      return done
    })
    this.#gate.forget(caller, agent, agentId, name)
    if (keys === null) return null
    this.#vault.forget(scope, keys.erased)
    // The record of it is in the tenant's stream, and so is what follows where the object store is down now.
    return this.#erasures.finish(scope, scope.tenantId, keys)
  }
}

/** The agent as it is now, for the record of its change. */
async function stateOf(tx: TenantTransaction, agentId: string): Promise<TenantDelta> {
  const row = await findAgentImage(tx, agentId)
  return row === undefined ? {} : { agents: [agentImageOf(row)] }
}

/** The directory that an agent's tree begins with. */
export function rootOf(agent: Pick<AgentRow, 'rootId'>, at: Date): NodeImage {
  const time: TimeSpec = [Math.floor(at.getTime() / 1000), (at.getTime() % 1000) * 1_000_000]
  return {
    id: agent.rootId,
    kind: 'directory',
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtime: time,
    ctime: time,
    size: 0,
    version: null,
    number: 0,
    links: 1,
    createdAt: at.toISOString(),
    modifiedAt: at.toISOString(),
    modifiedBy: 'service/agentfs',
    seq: 0,
  }
}

function answerOf(row: AgentRow): Agent {
  return {
    id: row.agentId,
    name: row.name,
    root: row.rootId,
    settings: row.settings,
    createdAt: row.createdAt.toISOString(),
    epoch: row.epoch,
    seq: row.headSeq,
  }
}

function nameTaken(error: unknown): unknown {
  if (!isUniqueViolation(error)) return error
  return new AgentfsError('already_exists', { detail: 'an agent of this name exists' })
}
