import { Controller, Inject, Res } from '@nestjs/common'
import {
  type AuditCheckpoint,
  type AuditEvent,
  type AuditExportQuery,
  auditExportQuery,
  type AuditQuery,
  auditQuery,
  type ListOf,
  type ListQuery,
  listQuery,
  routes,
} from '@agentfs/contracts'
import type { Caller, Engine } from '@agentfs/engine'
import type { FastifyReply } from 'fastify'
import { Readable } from 'node:stream'
import { CallerOf } from '../auth/caller.js'
import { ENGINE } from '../engine-token.js'
import { Endpoint } from '../http/endpoint.js'
import { QueryOf } from '../http/parameters.js'

/** The audit log. */
@Controller()
export class AuditController {
  constructor(@Inject(ENGINE) private readonly engine: Engine) {}

  @Endpoint(routes.auditEvents)
  events(@CallerOf() caller: Caller, @QueryOf(auditQuery) query: AuditQuery): Promise<ListOf<AuditEvent>> {
    return this.engine.audit.listEvents(caller, query)
  }

  @Endpoint(routes.auditCheckpoints)
  checkpoints(
    @CallerOf() caller: Caller,
    @QueryOf(listQuery) query: ListQuery,
  ): Promise<ListOf<AuditCheckpoint>> {
    return this.engine.audit.listCheckpoints(caller, query)
  }

  @Endpoint(routes.auditExport)
  async export(
    @CallerOf() caller: Caller,
    @QueryOf(auditExportQuery) query: AuditExportQuery,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const lines = await this.engine.audit.export(caller, query)
    void reply.header('content-type', 'application/x-ndjson').send(Readable.from(textOf(lines)))
  }
}

async function* textOf(lines: AsyncIterable<object>): AsyncGenerator<string> {
  for await (const line of lines) yield `${JSON.stringify(line)}\n`
}
