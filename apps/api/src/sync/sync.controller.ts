import { hash } from 'node:crypto'
import { Controller, Inject, Param, Req, Res } from '@nestjs/common'
import {
  AgentfsError,
  type ChangesQuery,
  changesQuery,
  type ContentsRequest,
  contentsRequest,
  type FlushAnswer,
  type FlushRequest,
  flushRequest,
  isUuid,
  type MissingPartsRequest,
  missingPartsRequest,
  PART_BYTES_MAX,
  type PartQuery,
  partQuery,
  type PushRequest,
  pushRequest,
  routes,
  type SnapshotQuery,
  snapshotQuery,
} from '@agentfs/contracts'
import type { Caller, Engine } from '@agentfs/engine'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { CallerOf } from '../auth/caller.js'
import { ENGINE } from '../engine-token.js'
import { Endpoint } from '../http/endpoint.js'
import { JsonBody, QueryOf, WireBody, type WireBodyOf } from '../http/parameters.js'
import { readBody } from '../http/request-body.js'
import { digestOf, epochOf } from './sync-headers.js'
import { sendWire } from './wire-reply.js'

/** Snapshot, changes, contents, push and parts [SY-2, SY-6, SY-13]. */
@Controller()
export class SyncController {
  constructor(@Inject(ENGINE) private readonly engine: Engine) {}

  @Endpoint(routes.snapshot)
  async snapshot(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @QueryOf(snapshotQuery) { limit, cursor, under }: SnapshotQuery,
  ): Promise<void> {
    const query = {
      limit,
      ...(cursor === undefined ? {} : { cursor }),
      ...(under === undefined ? {} : { under }),
    }
    sendWire(request, reply, await this.engine.sync.snapshot(caller, agent, query))
  }

  @Endpoint(routes.changes)
  async changes(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @QueryOf(changesQuery) query: ChangesQuery,
  ): Promise<void> {
    sendWire(request, reply, await this.engine.sync.changes(caller, agent, query))
  }

  @Endpoint(routes.contents)
  async contents(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @WireBody(contentsRequest) { value, format }: WireBodyOf<ContentsRequest>,
  ): Promise<void> {
    sendWire(request, reply.status(200), await this.engine.sync.contents(caller, agent, value), format)
  }

  @Endpoint(routes.push)
  async push(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @WireBody(pushRequest) { value, bytes, format }: WireBodyOf<PushRequest>,
  ): Promise<void> {
    // Over the bytes as sent: what a client froze at the first sending has one digest for ever [SY-8].
    const digest = hash('sha256', bytes, 'hex')
    const answer = await this.engine.sync.push(caller, agent, epochOf(request.headers), value, digest)
    sendWire(request, reply.status(200), answer, format)
  }

  @Endpoint(routes.partsMissing)
  async missing(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @WireBody(missingPartsRequest) { value, format }: WireBodyOf<MissingPartsRequest>,
  ): Promise<void> {
    const missing = await this.engine.sync.missingParts(caller, agent, value.parts)
    sendWire(request, reply.status(200), { missing }, format)
  }

  @Endpoint(routes.partUpload)
  async part(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @CallerOf() caller: Caller,
    @Param() { agent, node, part }: PartParameters,
    @QueryOf(partQuery) { parent }: PartQuery,
  ): Promise<void> {
    if (!isUuid(node) || !isUuid(part)) throw new AgentfsError('invalid_request', { detail: 'ids are UUIDs' })
    const sha256 = digestOf(request.headers['content-digest'])
    const data = await readBody(request, PART_BYTES_MAX)
    const { created, answer } = await this.engine.sync.putPart(caller, agent, {
      node,
      part,
      data,
      ...(parent === undefined ? {} : { parent }),
      ...(sha256 === null ? {} : { sha256 }),
    })
    sendWire(request, reply.status(created ? 201 : 200), answer)
  }

  @Endpoint(routes.flush)
  flush(
    @CallerOf() caller: Caller,
    @Param('agent') agent: string,
    @JsonBody(flushRequest) body: FlushRequest,
  ): Promise<FlushAnswer> {
    return this.engine.files.flush(caller, agent, body)
  }
}

interface PartParameters {
  readonly agent: string
  readonly node: string
  readonly part: string
}
