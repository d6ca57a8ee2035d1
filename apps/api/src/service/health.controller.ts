import { Controller, Inject, Res } from '@nestjs/common'
import { type Health, routes } from '@agentfs/contracts'
import type { Engine } from '@agentfs/engine'
import type { FastifyReply } from 'fastify'
import { ENGINE } from '../engine-token.js'
import { Endpoint } from '../http/endpoint.js'

/** Whether the process runs, and whether it can serve. */
@Controller()
export class HealthController {
  constructor(@Inject(ENGINE) private readonly engine: Engine) {}

  @Endpoint(routes.healthz)
  health(): Health {
    return { status: 'ok' }
  }

  @Endpoint(routes.readyz)
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<Health> {
    const answered = await this.#databaseAnswers()
    if (!answered) reply.status(503).header('retry-after', '1')
    return { status: answered ? 'ok' : 'unavailable', checks: { database: answered ? 'ok' : 'failed' } }
  }

  async #databaseAnswers(): Promise<boolean> {
    const deadline = AbortSignal.timeout(READY_MS_MAX)
    const late = Promise.withResolvers<boolean>()
    deadline.addEventListener('abort', () => late.resolve(false))
    const asked = this.engine.ready().then(
      () => true,
      () => false,
    )
    return await Promise.race([asked, late.promise])
  }
}

const READY_MS_MAX = 3_000
