import {
  type AppendAnswer,
  type ComposeRequest,
  type FileWriteQuery,
  freeBytes,
  PART_BYTES_MAX,
  type WriteAnswer,
} from '@agentfs/contracts'
import type { Caller, ContentSource, FilesApi } from '@agentfs/engine'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { insistenceOf } from '../http/conditions.js'
import { withFileHeaders } from '../http/file-reply.js'
import { announcedBytes, bodyStream, readBody, refuseEncoding } from '../http/request-body.js'

/** Answers writes of bytes. */
export class FileWriter {
  readonly #files: FilesApi

  constructor(files: FilesApi) {
    this.#files = files
  }

  /** Creates (201) or replaces (200) a file. */
  async put(
    request: FastifyRequest,
    reply: FastifyReply,
    caller: Caller,
    target: { readonly agent: string; readonly path: string; readonly query: FileWriteQuery },
  ): Promise<WriteAnswer> {
    const conditions = { ...insistenceOf(request.headers), parents: target.query.parents === true }
    const body = await contentOf(request)
    const { created, answer } = await this.#files.put(caller, target.agent, target.path, body, conditions)
    reply.status(created ? 201 : 200)
    return withFileHeaders(reply, answer)
  }

  /** The same from parts that went up before. */
  async compose(
    request: FastifyRequest,
    reply: FastifyReply,
    caller: Caller,
    agent: string,
    body: ComposeRequest,
  ): Promise<WriteAnswer> {
    const conditions = { ...insistenceOf(request.headers), parents: body.parents === true }
    const { created, answer } = await this.#files.compose(caller, agent, body, conditions)
    reply.status(created ? 201 : 200)
    return withFileHeaders(reply, answer)
  }

  /** Appends; `offset` says where the bytes went. */
  async append(
    request: FastifyRequest,
    reply: FastifyReply,
    caller: Caller,
    target: { readonly agent: string; readonly path: string; readonly query: FileWriteQuery },
  ): Promise<AppendAnswer> {
    const options = { parents: target.query.parents === true }
    const answer = await this.#files.append(
      caller,
      target.agent,
      target.path,
      await contentOf(request),
      options,
    )
    return withFileHeaders(reply, answer)
  }
}

/** Small bodies whole, which spares the engine a stream; others as they come in, never held whole. */
async function contentOf(request: FastifyRequest): Promise<ContentSource> {
  const announced = announcedBytes(request)
  if (announced !== null && announced <= PART_BYTES_MAX) return await readBody(request, PART_BYTES_MAX)
  refuseEncoding(request)
  return spent(bodyStream(request))
}

/** Frees each chunk of a body once the next one is asked for, when the engine has its copy. */
async function* spent(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    yield chunk
    freeBytes(chunk)
  }
}
