import { Controller, Get, Header, Param } from '@nestjs/common'
import { AgentfsError, type ErrorCode, HTTP_STATUS, openapiDocument, routes } from '@agentfs/contracts'
import { Endpoint, RequirePermission } from '../http/endpoint.js'
import { PAGE_POLICY } from '../http/security-headers.js'
import { errorPage } from './error-page.js'
import { referencePage } from './reference-page.js'

const HTML = 'text/html; charset=utf-8'

/** The reference: as OpenAPI, as a page, and a page for each error code, where `type` of a problem points. */
@Controller()
export class DocsController {
  readonly #document = JSON.stringify(openapiDocument())
  readonly #page = referencePage()

  @Endpoint(routes.openapi)
  @Header('content-type', 'application/json; charset=utf-8')
  openapi(): string {
    return this.#document
  }

  @Endpoint(routes.docs)
  @Header('content-type', HTML)
  @Header('content-security-policy', PAGE_POLICY)
  docs(): string {
    return this.#page
  }

  @Get('/docs/errors/:code')
  @RequirePermission('public')
  @Header('content-type', HTML)
  @Header('content-security-policy', PAGE_POLICY)
  error(@Param('code') code: string): string {
    if (!isErrorCode(code)) throw new AgentfsError('not_found', { detail: 'there is no such error code' })
    return errorPage(code)
  }
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(HTTP_STATUS, code)
}
