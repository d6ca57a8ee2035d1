import { Controller, Inject, Param, Req, Res } from '@nestjs/common'
import { type FeedQuery, feedQuery, routes } from '@agentfs/contracts'
import type { Caller } from '@agentfs/engine'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { CallerOf } from '../auth/caller.js'
import { Endpoint } from '../http/endpoint.js'
import { QueryOf } from '../http/parameters.js'
import { FeedGateway } from './feed-gateway.js'

/** The way in to a feed. */
@Controller()
export class FeedController {
  constructor(@Inject(FeedGateway) private readonly gateway: FeedGateway) {}

  @Endpoint(routes.feed)
  open(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @QueryOf(feedQuery) query: FeedQuery,
  ): Promise<void> {
    return this.gateway.open(request, reply, caller, { agent, query })
  }
}
