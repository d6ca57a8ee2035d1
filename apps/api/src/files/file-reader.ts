import { Readable } from 'node:stream'
import { AgentfsError, type FileReadQuery, freeBytes } from '@agentfs/contracts'
import type { Caller, FilesApi, NodeRef, OpenedContent } from '@agentfs/engine'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { parseRange } from '../http/byte-range.js'
import { hasVersion } from '../http/conditions.js'
import { contentTypeOf } from '../http/content-type.js'
import { withFileHeaders } from '../http/file-reply.js'
import { freedOnceSent } from '../http/freed-once-sent.js'
import { sendProblem } from '../http/problem-filter.js'

/** Answers reads: 200, 206, 304, 416; bodies above 1 MiB as a stream. */
export class FileReader {
  readonly #files: FilesApi

  constructor(files: FilesApi) {
    this.#files = files
  }

  /** Answers GET and HEAD. HEAD and 304 open no content and leave no record of a read. */
  async read(
    request: FastifyRequest,
    reply: FastifyReply,
    caller: Caller,
    target: { readonly agent: string; readonly ref: NodeRef; readonly query: FileReadQuery },
  ): Promise<void> {
    const { agent, ref } = target
    const choice = chosen(target.query)
    const known = request.headers['if-none-match']
    const ifRange = request.headers['if-range']
    let range = parseRange(request.headers.range)
    if (request.method === 'HEAD' || known !== undefined || ifRange !== undefined) {
      const head = await this.#files.read(caller, agent, ref, { ...choice, metadataOnly: true })
      describe(reply, head)
      if (hasVersion(known, head.version)) return void reply.status(304).send()
      // A part of another version than the caller has would fit to nothing.
      if (ifRange !== undefined && ifRange !== `"${head.version}"`) range = null
      if (request.method === 'HEAD') {
        sendHead(reply, head.size)
        return
      }
    }
    const opened = await this.#files.read(caller, agent, ref, range === null ? choice : { ...choice, range })
    describe(reply, opened)
    if (range !== null && !this.#partial(reply, opened, request.id)) return
    send(reply, opened)
  }

  /** Makes the answer a 206, or a 416; then there is no body to send. */
  #partial(reply: FastifyReply, opened: OpenedContent, requestId: string): boolean {
    const { range, size } = opened
    if (range === null) {
      reply.header('content-range', `bytes */${size}`)
      const detail = `the range lies beyond the file, which has ${size} bytes`
      sendProblem(reply, new AgentfsError('invalid_request', { detail, size }), requestId, 416)
      return false
    }
    reply.status(206).header('content-range', `bytes ${range.from}-${range.to - 1}/${size}`)
    return true
  }
}

/** Up to here bytes are left to the collector. */
const SMALL_BYTES_MAX = 65_536

/** A stream, though empty: of any other body Fastify takes the length, and says 0. */
function sendHead(reply: FastifyReply, size: number): void {
  void reply.header('content-length', String(size)).send(Readable.from([]))
}

function chosen({ version, at }: FileReadQuery): { version?: string | number; at?: string } {
  if (version !== undefined && at !== undefined) {
    throw new AgentfsError('invalid_request', { detail: 'give either version or at' })
  }
  return { ...(version === undefined ? {} : { version }), ...(at === undefined ? {} : { at }) }
}

function describe(reply: FastifyReply, opened: OpenedContent): void {
  const { stat } = opened
  withFileHeaders(reply, { version: opened.version, seq: opened.seq, epoch: opened.epoch, state: stat.state })
  reply
    .header('accept-ranges', 'bytes')
    .header('content-type', stat.contentType ?? contentTypeOf(stat.path))
    .header('last-modified', new Date(stat.modifiedAt).toUTCString())
    // Private, and asked again each time: a version never changes, but which one is current does.
    .header('cache-control', 'private, no-cache')
}

function send(reply: FastifyReply, opened: OpenedContent): void {
  const { body, range, size } = opened
  const length = range === null ? size : range.to - range.from
  reply.header('content-length', String(length))
  if (body instanceof Uint8Array && body.length > SMALL_BYTES_MAX) {
    // Once all of it is with the system; a connection that ends before leaves it to the collector.
    reply.raw.once('finish', () => freeBytes(body))
  }
  void reply.send(
    body instanceof Uint8Array
      ? Buffer.from(body.buffer, body.byteOffset, body.byteLength)
      : freedOnceSent(body, reply.raw),
  )
}
