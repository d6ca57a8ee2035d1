import { Controller, Inject, Param, Res } from '@nestjs/common'
import {
  type Agent,
  type AgentCreateRequest,
  agentDeleteQuery,
  type AgentDeleteQuery,
  agentCreateRequest,
  agentUpdateRequest,
  type AgentUpdateRequest,
  type Erasure,
  type ListOf,
  listQuery,
  type ListQuery,
  routes,
} from '@agentfs/contracts'
import type { Caller, Engine } from '@agentfs/engine'
import { CallerOf } from '../auth/caller.js'
import type { FastifyReply } from 'fastify'
import { ENGINE } from '../engine-token.js'
import { deletionAnswer } from '../http/deletion-answer.js'
import { Endpoint } from '../http/endpoint.js'
import { JsonBody, QueryOf } from '../http/parameters.js'

/** Agents, by id or name. */
@Controller()
export class AgentsController {
  constructor(@Inject(ENGINE) private readonly engine: Engine) {}

  @Endpoint(routes.agentCreate)
  create(@CallerOf() caller: Caller, @JsonBody(agentCreateRequest) body: AgentCreateRequest): Promise<Agent> {
    return this.engine.agents.create(caller, body)
  }

  @Endpoint(routes.agentList)
  list(@CallerOf() caller: Caller, @QueryOf(listQuery) query: ListQuery): Promise<ListOf<Agent>> {
    return this.engine.agents.list(caller, query)
  }

  @Endpoint(routes.agentGet)
  get(@CallerOf() caller: Caller, @Param('agent') agent: string): Promise<Agent> {
    return this.engine.agents.get(caller, agent)
  }

  @Endpoint(routes.agentUpdate)
  update(
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @JsonBody(agentUpdateRequest) body: AgentUpdateRequest,
  ): Promise<Agent> {
    return this.engine.agents.update(caller, agent, body)
  }

  @Endpoint(routes.agentDelete)
  delete(
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @QueryOf(agentDeleteQuery) { erase = false }: AgentDeleteQuery,
  ): Promise<Erasure | undefined> {
    return this.engine.agents
      .delete(caller, agent, { erase })
      .then((erasure) => deletionAnswer(reply, erasure))
  }
}
