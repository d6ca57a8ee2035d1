import type { Caller } from '@agentfs/engine'
import { createParamDecorator, type ExecutionContext } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import type { Credential } from './credential.js'

/** What kind of credential let a request in. */
interface ShownCredential {
  readonly kind: Credential['kind']
  readonly expiresAtMs: number | null
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the credential guard; null on public routes. */
    caller: Caller | null
    /** How the caller showed who it is, and until when that holds by itself. */
    shown: ShownCredential | null
  }
}

/** The caller of a route that asks for a credential. */
export const CallerOf = createParamDecorator((_: unknown, context: ExecutionContext): Caller => {
  const { caller } = context.switchToHttp().getRequest<FastifyRequest>()
  if (caller === null) throw new Error('a public route asked for its caller')
  return caller
})
