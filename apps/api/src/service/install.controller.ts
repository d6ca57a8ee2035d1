import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Controller, Inject, Req, Res } from '@nestjs/common'
import { AgentfsError, routes } from '@agentfs/contracts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ApiOptions } from '../api-options.js'
import { API_OPTIONS } from '../engine-token.js'
import { Endpoint } from '../http/endpoint.js'
import { installScript } from './install-script.js'
import { serviceUrlOf } from './service-url.js'

/** What a second machine needs: the installer and the client. */
@Controller()
export class InstallController {
  constructor(@Inject(API_OPTIONS) private readonly options: ApiOptions) {}

  @Endpoint(routes.installScript)
  script(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const text = installScript(serviceUrlOf(request, this.options.publicUrl ?? null))
    void reply
      .header('content-type', 'text/x-shellscript; charset=utf-8')
      .header('cache-control', 'no-cache')
      .send(text)
  }

  @Endpoint(routes.clientDownload)
  async client(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const file = join(this.options.downloads?.directory ?? '', 'agentfs-client.tgz')
    const found = this.options.downloads ? await stat(file).catch(() => null) : null
    if (found === null || !found.isFile()) {
      throw new AgentfsError('not_found', {
        detail: 'this service has no packed client; its operator makes it with `npm run build` and restarts',
      })
    }
    reply
      .header('content-type', 'application/gzip')
      .header('content-length', String(found.size))
      .header('cache-control', 'no-cache')
      .header('content-disposition', 'attachment; filename="agentfs-client.tgz"')
    void reply.send(request.method === 'HEAD' ? '' : createReadStream(file))
  }
}
