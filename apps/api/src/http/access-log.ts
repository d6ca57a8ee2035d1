import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { ApiMetrics } from '../metrics/metrics.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The operation id of the route. */
    operation?: string
  }
}

/**
 * One line and one observation for each answered request. Paths are the tenants' own business: the line names the
 * operation, never the target.
 */
export function observeRequests(fastify: FastifyInstance, log: Logger, metrics: ApiMetrics): void {
  fastify.addHook('onResponse', (request, reply, done) => {
    const operation = request.routeOptions.config.operation ?? 'none'
    const ms = Math.round(reply.elapsedTime * 100) / 100
    metrics.requestAnswered(operation, reply.statusCode, reply.elapsedTime / 1_000)
    log.info(
      {
        requestId: request.id,
        operation,
        status: reply.statusCode,
        ms,
        tenant: request.caller?.principal.scope.tenantId,
        actor: request.caller?.principal.actor.id,
        door: request.caller?.door,
      },
      'request',
    )
    done()
  })
}
