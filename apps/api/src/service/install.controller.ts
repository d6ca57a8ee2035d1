import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { Controller, Get, Inject, Param, Req, Res } from '@nestjs/common'
import { AgentfsError, routes } from '@agentfs/contracts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ApiOptions } from '../api-options.js'
import { API_OPTIONS } from '../engine-token.js'
import { Endpoint, RequirePermission } from '../http/endpoint.js'
import { type Download, type Downloads, readDownloads } from './downloads.js'
import { installScript } from './install-script.js'
import { serviceUrlOf } from './service-url.js'

/** What a second machine needs: the installer, the client, and a Node where its own is too old. */
@Controller()
export class InstallController {
  constructor(@Inject(API_OPTIONS) private readonly options: ApiOptions) {}

  @Endpoint(routes.installScript)
  async script(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const downloads = await this.downloads()
    const url = serviceUrlOf(request, this.options.publicUrl ?? null)
    if (url === null) {
      throw new AgentfsError('invalid_request', { detail: 'the host that was asked for is no host name' })
    }
    // It names the caller's own way here, so nobody else may be given it.
    void reply
      .header('content-type', 'text/x-shellscript; charset=utf-8')
      .header('cache-control', 'no-store')
      .send(installScript(url, downloads))
  }

  @Endpoint(routes.clientDownload)
  async client(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { client } = await this.downloads()
    await this.send(request, reply, client)
  }

  /** Only the script asks for these, by names that it was given. */
  @Get('/download/:file')
  @RequirePermission('public')
  async node(
    @Param('file') file: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { nodes } = await this.downloads()
    const node = nodes.find((one) => one.file === file)
    if (node === undefined) throw new AgentfsError('not_found', { detail: 'there is no such download' })
    await this.send(request, reply, node)
  }

  /** Read anew each time: an operator may pack while the service runs. */
  private async downloads(): Promise<Downloads> {
    const directory = this.options.downloads?.directory
    const downloads = directory === undefined ? null : await readDownloads(directory)
    if (downloads === null) throw nothingPacked()
    return downloads
  }

  private async send(request: FastifyRequest, reply: FastifyReply, { file }: Download): Promise<void> {
    // The size is asked of the very file that is sent: another may take its name meanwhile.
    const handle = await open(join(this.options.downloads?.directory ?? '', file)).catch(() => null)
    if (handle === null) throw nothingPacked()
    reply
      .header('content-type', 'application/gzip')
      .header('content-length', String((await handle.stat()).size))
      .header('cache-control', 'no-cache')
      .header('content-disposition', `attachment; filename="${file}"`)
    if (request.method === 'HEAD') {
      await handle.close()
      void reply.send('')
    } else void reply.send(handle.createReadStream())
  }
}

function nothingPacked(): AgentfsError {
  const detail = 'this service has no packed client; its operator makes one with `npm run package`'
  return new AgentfsError('not_found', { detail })
}
