import type {
  Agent,
  AgentCreateRequest,
  AgentUpdateRequest,
  Erasure,
  ListOf,
  ListQuery,
} from '@agentfs/contracts'
import type { Caller } from '../caller.js'

/** Agents of a tenant. `agent` is an id or a name everywhere. */
export interface AgentsApi {
  create(caller: Caller, request: AgentCreateRequest): Promise<Agent>
  list(caller: Caller, query: ListQuery): Promise<ListOf<Agent>>
  get(caller: Caller, agent: string): Promise<Agent>
  update(caller: Caller, agent: string, request: AgentUpdateRequest): Promise<Agent>
  /** With `erase` all its keys go too, and what became of them is answered; null otherwise. */
  delete(caller: Caller, agent: string, options?: { readonly erase?: boolean }): Promise<Erasure | null>
}
