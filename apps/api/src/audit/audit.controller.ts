import { Controller, Inject } from '@nestjs/common'
import { type AuditEvent, type AuditQuery, auditQuery, type ListOf, routes } from '@agentfs/contracts'
import type { Caller, Engine } from '@agentfs/engine'
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
}
