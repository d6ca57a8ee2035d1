import { Controller, Inject, Param, Req, Res } from '@nestjs/common'
import {
  type AppendAnswer,
  composeRequest,
  type ComposeRequest,
  type Erasure,
  type FileAppendQuery,
  fileAppendQuery,
  type FileDeleteQuery,
  fileDeleteQuery,
  type FileReadQuery,
  fileReadQuery,
  type FileWriteQuery,
  fileWriteQuery,
  routes,
  type WriteAnswer,
} from '@agentfs/contracts'
import type { Caller, Engine } from '@agentfs/engine'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { CallerOf } from '../auth/caller.js'
import { ENGINE } from '../engine-token.js'
import { insistenceOf } from '../http/conditions.js'
import { deletionAnswer } from '../http/deletion-answer.js'
import { Endpoint } from '../http/endpoint.js'
import { FilePath, JsonBody, QueryOf } from '../http/parameters.js'
import { checkedPath } from '../http/raw-path.js'
import { FileReader } from './file-reader.js'
import { FileWriter } from './file-writer.js'

/** Files by path. HEAD is the same handler: it answers without a body. */
@Controller()
export class FilesController {
  readonly #reader: FileReader
  readonly #writer: FileWriter

  constructor(@Inject(ENGINE) private readonly engine: Engine) {
    this.#reader = new FileReader(engine.files)
    this.#writer = new FileWriter(engine.files)
  }

  @Endpoint(routes.fileRead)
  read(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @FilePath() path: string,
    @QueryOf(fileReadQuery) query: FileReadQuery,
  ): Promise<void> {
    return this.#reader.read(request, reply, caller, { agent, ref: { path }, query })
  }

  @Endpoint(routes.fileWrite)
  write(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @FilePath() path: string,
    @QueryOf(fileWriteQuery) query: FileWriteQuery,
  ): Promise<WriteAnswer> {
    return this.#writer.put(request, reply, caller, { agent, path, query })
  }

  @Endpoint(routes.fileCompose)
  compose(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @JsonBody(composeRequest) body: ComposeRequest,
  ): Promise<WriteAnswer> {
    return this.#writer.compose(request, reply, caller, agent, { ...body, path: checkedPath(body.path) })
  }

  @Endpoint(routes.fileAppend)
  append(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @FilePath() path: string,
    @QueryOf(fileAppendQuery) query: FileAppendQuery,
  ): Promise<AppendAnswer> {
    return this.#writer.append(request, reply, caller, { agent, path, query })
  }

  @Endpoint(routes.fileDelete)
  delete(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @FilePath() path: string,
    @QueryOf(fileDeleteQuery) { recursive = false, erase = false }: FileDeleteQuery,
  ): Promise<Erasure | undefined> {
    const { ifMatch } = insistenceOf(request.headers)
    const options = { recursive, erase, ...(ifMatch === undefined ? {} : { ifMatch }) }
    return this.engine.files
      .delete(caller, agent, path, options)
      .then((erasure) => deletionAnswer(reply, erasure))
  }
}
