import { Controller, Inject, Param, Req, Res } from '@nestjs/common'
import {
  type FileReadQuery,
  fileReadQuery,
  routes,
  type Stat,
  type StatQuery,
  statQuery,
} from '@agentfs/contracts'
import type { Caller, Engine, NodeRef } from '@agentfs/engine'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { CallerOf } from '../auth/caller.js'
import { ENGINE } from '../engine-token.js'
import { Endpoint } from '../http/endpoint.js'
import { withFileHeaders } from '../http/file-reply.js'
import { nodeRef } from '../http/node-ref.js'
import { QueryOf } from '../http/parameters.js'
import { checkedPath } from '../http/raw-path.js'
import { FileReader } from './file-reader.js'

/** What is known of nodes, by path or by id, and their contents by id. */
@Controller()
export class NodesController {
  readonly #reader: FileReader

  constructor(@Inject(ENGINE) private readonly engine: Engine) {
    this.#reader = new FileReader(engine.files)
  }

  @Endpoint(routes.fileStat)
  statByPath(
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @QueryOf(statQuery) { path }: StatQuery,
  ): Promise<Stat> {
    return this.#stat(reply, caller, agent, { path: checkedPath(path) })
  }

  @Endpoint(routes.nodeStat)
  statById(
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @Param('node') node: string,
  ): Promise<Stat> {
    return this.#stat(reply, caller, agent, nodeRef(node))
  }

  @Endpoint(routes.nodeRead)
  read(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @Param('node') node: string,
    @QueryOf(fileReadQuery) query: FileReadQuery,
  ): Promise<void> {
    return this.#reader.read(request, reply, caller, { agent, ref: nodeRef(node), query })
  }

  async #stat(reply: FastifyReply, caller: Caller, agent: string, ref: NodeRef): Promise<Stat> {
    const { epoch, seq, ...stat } = await this.engine.files.stat(caller, agent, ref)
    withFileHeaders(reply, { ...stat, epoch, seq })
    return stat
  }
}
