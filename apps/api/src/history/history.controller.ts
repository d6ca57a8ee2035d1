import { Controller, Inject, Param, Res } from '@nestjs/common'
import {
  type DeletedFile,
  type ListOf,
  type ListQuery,
  listQuery,
  restoreRequest,
  type RestoreRequest,
  routes,
  type Version,
  type VersionsQuery,
  versionsQuery,
  type WriteAnswer,
} from '@agentfs/contracts'
import type { Caller, Engine } from '@agentfs/engine'
import type { FastifyReply } from 'fastify'
import { CallerOf } from '../auth/caller.js'
import { ENGINE } from '../engine-token.js'
import { Endpoint } from '../http/endpoint.js'
import { withFileHeaders } from '../http/file-reply.js'
import { JsonBody, QueryOf } from '../http/parameters.js'
import { nodeRef } from '../http/node-ref.js'
import { checkedPath } from '../http/raw-path.js'

/** A file's versions, and the way back to one. */
@Controller()
export class HistoryController {
  constructor(@Inject(ENGINE) private readonly engine: Engine) {}

  @Endpoint(routes.versions)
  versions(
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @QueryOf(versionsQuery) { path, ...query }: VersionsQuery,
  ): Promise<ListOf<Version>> {
    return this.engine.files.versions(caller, agent, { path: checkedPath(path) }, query)
  }

  @Endpoint(routes.nodeVersions)
  nodeVersions(
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @Param('node') node: string,
    @QueryOf(listQuery) query: ListQuery,
  ): Promise<ListOf<Version>> {
    return this.engine.files.versions(caller, agent, nodeRef(node), query)
  }

  @Endpoint(routes.deletedFiles)
  deleted(
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @QueryOf(listQuery) query: ListQuery,
  ): Promise<ListOf<DeletedFile>> {
    return this.engine.files.deleted(caller, agent, query)
  }

  @Endpoint(routes.restore)
  async restore(
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @JsonBody(restoreRequest) body: RestoreRequest,
  ): Promise<WriteAnswer> {
    const request = { ...body, path: checkedPath(body.path) }
    return withFileHeaders(reply, await this.engine.files.restore(caller, agent, request))
  }
}
