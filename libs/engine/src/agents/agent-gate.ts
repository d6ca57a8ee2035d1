import { type Action, decide, type Decision } from '@agentfs/access'
import { AgentfsError, type NodeKind, agentNotFound } from '@agentfs/contracts'
import { type AgentRow, type Database, findAgent } from '@agentfs/storage'
import type { Caller } from '../caller.js'
import type { Clock } from '../ports.js'
import { RecentMap } from '../reads/recent-map.js'
import type { Administration } from '../streams/administration.js'

/** How long an agent's name and keys are believed; its head is always read anew. */
const AGENT_TTL_MS = 800

/** The one way to an agent and its paths: what the caller may not know of is missing [ISO-1]. */
export class AgentGate {
  readonly #database: Database
  readonly #administration: Administration
  readonly #clock: Clock
  readonly #agents = new RecentMap<{ row: AgentRow; readAtMs: number }>(10_000)

  constructor(database: Database, administration: Administration, clock: Clock) {
    this.#database = database
    this.#administration = administration
    this.#clock = clock
  }

  /** The agent of an id or a name, where the caller may see anything of it. */
  async open(caller: Caller, idOrName: string): Promise<AgentRow> {
    const agent = await this.#find(caller, idOrName)
    if (agent === undefined) throw missing()
    if (!this.decide(caller, agent, '', 'read').visible) {
      await this.#deny(caller, agent, '')
      throw missing()
    }
    return agent
  }

  /** The agent, where the caller may do this with all of its home. */
  async enter(caller: Caller, idOrName: string, action: Action = 'read'): Promise<AgentRow> {
    const agent = await this.open(caller, idOrName)
    await this.require(caller, agent, '', action)
    return agent
  }

  /** Refuses what the caller may not do on a path, and notes the denial. */
  async require(
    caller: Caller,
    agent: AgentRow,
    path: string,
    action: Action,
    kind?: NodeKind,
  ): Promise<void> {
    const decision = this.decide(caller, agent, path, action, kind)
    if (decision.allowed) return
    await this.#deny(caller, agent, path)
    if (!decision.visible)
      throw new AgentfsError('not_found', { path, detail: 'there is nothing of that name' })
    const reason = decision.reasons.find(({ passed }) => !passed)?.detail ?? 'no rule allows it'
    throw new AgentfsError('forbidden', { path, detail: `not allowed here: ${reason}` })
  }

  /** Refuses to show what stands at a path, now that it is known what that is; for who may read the path itself. */
  async requireShown(caller: Caller, agent: AgentRow, path: string, kind: NodeKind): Promise<void> {
    // Without prefixes, or of a directory, the path's own decision said it all.
    if (caller.principal.limits.prefixes === null || kind === 'directory') return
    await this.require(caller, agent, path, 'read', kind)
  }

  /** The decision itself; `kind` is what stands at the path, where that is known. */
  decide(
    caller: Caller,
    agent: { readonly agentId: string },
    path: string,
    action: Action,
    kind?: NodeKind,
  ): Decision {
    const { principal, address } = caller
    return decide({
      principal,
      agentId: agent.agentId,
      path,
      action,
      address,
      nowMs: this.#clock.now(),
      ...(kind === undefined ? {} : { kind }),
    })
  }

  /** Forgets what is remembered, after a change. */
  forget(caller: Caller, ...names: readonly string[]): void {
    for (const name of names) this.#agents.delete(`${caller.principal.scope.tenantId}/${name}`)
  }

  async #find(caller: Caller, idOrName: string): Promise<AgentRow | undefined> {
    const { scope } = caller.principal
    const name = `${scope.tenantId}/${idOrName}`
    const readAtMs = this.#clock.now()
    const known = this.#agents.get(name)
    if (known !== undefined && readAtMs - known.readAtMs < AGENT_TTL_MS) return known.row
    const row = await this.#database.readTenant(scope, (tx) => findAgent(tx, idOrName))
    if (row === undefined) this.#agents.delete(name)
    else this.#agents.set(name, { row, readAtMs })
    return row
  }

  async #deny(caller: Caller, agent: AgentRow, path: string): Promise<void> {
    const change = { action: 'access.denied', ...(path === '' ? {} : { path }) } as const
    await this.#administration.note(caller, 'tenant', [change], 'denied', agent.agentId)
  }
}

function missing(): AgentfsError {
  return agentNotFound()
}
