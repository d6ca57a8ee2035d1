import type { Agent, AgentCreateRequest, AgentUpdateRequest, ListOf, ListQuery } from '@agentfs/contracts'
import type { Caller } from '../caller.js'

/** Agents of a tenant. `agent` is an id or a name everywhere. */
export interface AgentsApi {
  create(caller: Caller, request: AgentCreateRequest): Promise<Agent>
  list(caller: Caller, query: ListQuery): Promise<ListOf<Agent>>
  get(caller: Caller, agent: string): Promise<Agent>
  update(caller: Caller, agent: string, request: AgentUpdateRequest): Promise<Agent>
  delete(caller: Caller, agent: string): Promise<void>
}
