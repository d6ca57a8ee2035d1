import { Controller, Inject, Param, Res } from '@nestjs/common'
import {
  copyRequest,
  type CopyRequest,
  type ListOf,
  type MkdirRequest,
  mkdirRequest,
  type MoveRequest,
  moveRequest,
  routes,
  type Stat,
  treeQuery,
  type TreeQuery,
  type WriteAnswer,
} from '@agentfs/contracts'
import type { Caller, Engine } from '@agentfs/engine'
import type { FastifyReply } from 'fastify'
import { CallerOf } from '../auth/caller.js'
import { ENGINE } from '../engine-token.js'
import { Endpoint } from '../http/endpoint.js'
import { withFileHeaders } from '../http/file-reply.js'
import { JsonBody, QueryOf } from '../http/parameters.js'
import { checkedPath } from '../http/raw-path.js'

/** Listing a tree and changing its shape. */
@Controller()
export class TreeController {
  constructor(@Inject(ENGINE) private readonly engine: Engine) {}

  @Endpoint(routes.tree)
  list(
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @QueryOf(treeQuery) query: TreeQuery,
  ): Promise<ListOf<Stat>> {
    return this.engine.files.tree(caller, agent, { ...query, path: checkedPath(query.path) })
  }

  @Endpoint(routes.mkdir)
  async mkdir(
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @JsonBody(mkdirRequest) body: MkdirRequest,
  ): Promise<WriteAnswer> {
    const request = { ...body, path: checkedPath(body.path) }
    return withFileHeaders(reply, await this.engine.files.mkdir(caller, agent, request))
  }

  @Endpoint(routes.move)
  async move(
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @JsonBody(moveRequest) body: MoveRequest,
  ): Promise<WriteAnswer> {
    return withFileHeaders(reply, await this.engine.files.move(caller, agent, checkedPaths(body)))
  }

  @Endpoint(routes.copy)
  async copy(
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @JsonBody(copyRequest) body: CopyRequest,
  ): Promise<WriteAnswer> {
    return withFileHeaders(reply, await this.engine.files.copy(caller, agent, checkedPaths(body)))
  }
}

function checkedPaths<T extends { from: string; to: string }>(body: T): T {
  return { ...body, from: checkedPath(body.from), to: checkedPath(body.to) }
}
