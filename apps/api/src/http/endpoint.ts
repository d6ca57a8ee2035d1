import {
  applyDecorators,
  HttpCode,
  RequestMapping,
  RequestMethod,
  SetMetadata,
  UseInterceptors,
} from '@nestjs/common'
import type { HttpMethod, Permission, Route } from '@agentfs/contracts'
import { RouteConfig } from '@nestjs/platform-fastify'
import { IdempotencyInterceptor, keepsAnswers } from './idempotency.js'

/** Mounts a method as a route of the table: its verb, path, status and the permission that guards it. */
export function Endpoint(route: Route): MethodDecorator {
  const status = Number(Object.keys(route.answers)[0] ?? 200)
  return applyDecorators(
    RequestMapping({ method: VERBS[route.method], path: routerPath(route.path) }),
    HttpCode(status),
    RouteConfig({ operation: route.operation }),
    RequirePermission(route.permission),
    ...(keepsAnswers(route) ? [UseInterceptors(IdempotencyInterceptor)] : []),
  )
}

/** Where the credential guard finds the permission of a handler. */
export const PERMISSION = Symbol('permission')

/** What a caller needs at least; the decision function has the last word. */
export function RequirePermission(permission: Permission): MethodDecorator {
  return SetMetadata(PERMISSION, permission)
}

/** The router's spelling of a template: `{agent}` is `:agent`, and `{path}`, always last, a wildcard. */
function routerPath(template: string): string {
  return template.replace('{path}', '*').replaceAll(/\{(\w+)\}/g, ':$1')
}

const VERBS = {
  GET: RequestMethod.GET,
  HEAD: RequestMethod.HEAD,
  POST: RequestMethod.POST,
  PUT: RequestMethod.PUT,
  PATCH: RequestMethod.PATCH,
  DELETE: RequestMethod.DELETE,
} as const satisfies Record<HttpMethod, RequestMethod>
