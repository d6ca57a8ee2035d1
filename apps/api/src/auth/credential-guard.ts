import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common'
import { AgentfsError, type Permission, type Role } from '@agentfs/contracts'
import type { AuditApi, Caller } from '@agentfs/engine'
import { Reflector } from '@nestjs/core'
import type { FastifyRequest } from 'fastify'
import { PERMISSION } from '../http/endpoint.js'
import type { RateLimiter } from '../http/rate-limits.js'
import type { Authenticator } from './authenticator.js'
import { credentialOf } from './credential.js'
import { doorOf } from './door.js'
import { assertSameOrigin } from './same-origin.js'

/**
 * Lets a request in: finds its caller, holds it to its rate, and to the permission of the route. Runs before any body
 * is read. What a role may do on which path is decided by the engine, which also records denials; a role that could
 * do it nowhere is refused here, and recorded too.
 */
@Injectable()
export class CredentialGuard implements CanActivate {
  readonly #reflector = new Reflector()

  constructor(
    private readonly authenticator: Authenticator,
    private readonly limiter: RateLimiter,
    private readonly audit: AuditApi,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const permission = this.#reflector.get<Permission | undefined>(PERMISSION, context.getHandler())
    if (permission === undefined) throw new Error(`${context.getHandler().name} has no permission`)
    const request = context.switchToHttp().getRequest<FastifyRequest>()
    if (permission === 'public') {
      this.limiter.take('address', request.ip)
      return true
    }
    const caller = await this.#callerOf(request)
    request.caller = caller
    this.limiter.take('credential', `${caller.principal.scope.tenantId}/${caller.principal.actor.id}`)
    this.#assertRole(caller, permission)
    return true
  }

  async #callerOf(request: FastifyRequest): Promise<Caller> {
    this.limiter.check('refusedCredential', request.ip)
    const credential = credentialOf(request.headers)
    if (credential === null) {
      this.limiter.take('address', request.ip)
      throw new AgentfsError('unauthenticated')
    }
    if (credential.kind === 'session') assertSameOrigin(request)
    try {
      const { principal, expiresAtMs } = await this.authenticator.authenticate(credential, request.ip)
      request.shown = { kind: credential.kind, expiresAtMs }
      const door = doorOf(request.headers, credential.kind)
      return { principal, door, address: request.ip, requestId: request.id }
    } catch (error) {
      if (error instanceof AgentfsError && error.code === 'unauthenticated') {
        this.limiter.take('refusedCredential', request.ip)
      }
      throw error
    }
  }

  #assertRole(caller: Caller, permission: Permission): void {
    if (permission === 'public' || permission === 'credential') return
    const { role } = caller.principal.limits
    if (RANK[role] >= RANK[permission]) return
    this.audit.recordDenial(caller, {})
    throw new AgentfsError('forbidden', {
      detail: `this needs the role ${permission}; the credential gives ${role}`,
    })
  }
}

const RANK = { reader: 1, writer: 2, manager: 3 } as const satisfies Record<Role, number>
