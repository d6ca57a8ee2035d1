import { Controller, Get, Inject, Req, Res } from '@nestjs/common'
import { AgentfsError } from '@agentfs/contracts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ApiOptions } from '../api-options.js'
import { API_OPTIONS } from '../engine-token.js'
import { RequirePermission } from '../http/endpoint.js'
import { pathnameOf } from '../http/raw-path.js'
import { PAGE_POLICY } from '../http/security-headers.js'
import { landingPage } from './landing-page.js'
import { serviceUrlOf } from './service-url.js'
import { StaticFiles } from './static-files.js'

/** The dashboard, where it is built; else a page that says what this is. */
@Controller()
export class PagesController {
  constructor(
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
    @Inject(StaticFiles) private readonly files: StaticFiles,
  ) {}

  @Get('/')
  @RequirePermission('public')
  root(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const index = this.files.find('/index.html')
    if (index !== null) {
      this.files.send(reply, index)
      return
    }
    void reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('content-security-policy', PAGE_POLICY)
      .send(landingPage(serviceUrlOf(request, this.options.publicUrl ?? null) ?? 'http://localhost'))
  }

  @Get('*')
  @RequirePermission('public')
  any(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const pathname = pathnameOf(request.raw.url ?? '/')
    const file = pathname.startsWith('/v1/') ? null : this.files.find(pathname)
    if (file === null)
      throw new AgentfsError('not_found', { detail: 'there is no such route; GET /docs lists them' })
    this.files.send(reply, file)
  }
}
