import { z } from 'zod'
import { type ErrorCode, HTTP_STATUS } from './errors.js'
import { componentSchemas, type JsonSchema, schemaOf } from './openapi-components.js'
import { listRoutes, type Route, type RouteAnswer, type RouteBody } from './routes.js'

/** The OpenAPI 3.1 document of the service, made from the route table; committed as docs/openapi.json. */
export function openapiDocument(): JsonSchema {
  const paths: Record<string, Record<string, JsonSchema>> = {}
  for (const route of listRoutes()) {
    const item = (paths[route.path] ??= {})
    item[route.method.toLowerCase()] = operationOf(route)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'agentfs',
      version: '1',
      description:
        'Memory for AI agents: every agent has a home directory, reached as a folder, over REST, or by SDK. ' +
        'Problems are RFC 9457 documents with a stable `code`. Lists take `limit` and `cursor`. ' +
        'Every POST takes an `Idempotency-Key`, kept for 24 hours.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(listRoutes().map((route) => route.tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: componentSchemas(),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An API key or an access token.' },
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
        session: { type: 'apiKey', in: 'cookie', name: 'agentfs_session' },
      },
    },
  }
}

function operationOf(route: Route): JsonSchema {
  const parameters = [...pathParameters(route), ...queryParameters(route), ...headerParameters(route)]
  return {
    operationId: route.operation,
    tags: [route.tag],
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    ...(route.permission === 'public'
      ? { security: [] }
      : {
          security: [{ bearer: [] }, { apiKey: [] }, { session: [] }],
          'x-agentfs-permission': route.permission,
        }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === undefined ? {} : { requestBody: requestBody(route.body) }),
    responses: { ...successes(route), ...failures(route) },
  }
}

const PATH_PARAMETERS: Readonly<Record<string, string>> = {
  agent: 'An id or a name.',
  path: 'A path, percent-encoded by segment, no leading slash. `%2F`, `.`, `..` and NUL are refused.',
  node: 'A node id.',
  part: 'A part id (UUIDv7), chosen by the client.',
  id: 'An id.',
}

function pathParameters(route: Route): JsonSchema[] {
  return [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    description: PATH_PARAMETERS[name],
    schema: { type: 'string' },
  }))
}

function queryParameters(route: Route): JsonSchema[] {
  const shape: Readonly<Record<string, z.core.$ZodType>> = route.query?.shape ?? {}
  return Object.entries(shape).map(([name, schema]) => ({
    name,
    in: 'query',
    required: !z.safeParse(schema, undefined).success,
    schema: schemaOf(schema),
  }))
}

function headerParameters(route: Route): JsonSchema[] {
  const own = Object.entries(route.headers ?? {})
  const all: (readonly [string, string])[] =
    route.method === 'POST'
      ? [...own, ['Idempotency-Key', 'The same key gets the same answer for 24 hours.']]
      : own
  return all.map(([name, description]) => ({ name, in: 'header', description, schema: { type: 'string' } }))
}

function requestBody(body: RouteBody): JsonSchema {
  if (body.kind === 'bytes') {
    return { description: body.description, content: { 'application/octet-stream': {} } }
  }
  return { required: true, content: contentOf(body.schema, body.kind === 'wire') }
}

function contentOf(schema: z.ZodType, wire: boolean, contentType = 'application/json'): JsonSchema {
  const media = { schema: schemaOf(schema) }
  return wire ? { 'application/msgpack': media, [contentType]: media } : { [contentType]: media }
}

function successes(route: Route): JsonSchema {
  const answers: [string, JsonSchema][] = Object.entries(route.answers).map(([status, answer]) => [
    status,
    answerOf(answer),
  ])
  return Object.fromEntries(answers)
}

function answerOf(answer: RouteAnswer): JsonSchema {
  const headers = Object.entries(answer.headers ?? {}).map(([name, description]): [string, JsonSchema] => [
    name,
    { description, schema: { type: 'string' } },
  ])
  return {
    description: answer.description,
    ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers) }),
    ...(answer.schema === undefined
      ? answer.contentType === undefined
        ? {}
        : { content: { [answer.contentType]: {} } }
      : { content: contentOf(answer.schema, answer.wire === true, answer.contentType) }),
  }
}

const EVERYWHERE: readonly ErrorCode[] = ['invalid_request', 'rate_limited', 'internal', 'unavailable']
const WITH_CREDENTIAL: readonly ErrorCode[] = ['unauthenticated', 'key_revoked', 'token_expired']
const WITH_BODY: readonly ErrorCode[] = ['too_large']
const WITH_POST: readonly ErrorCode[] = ['unprocessable']

function failures(route: Route): JsonSchema {
  const codes = new Set<ErrorCode>([
    ...route.problems,
    ...(route.permission === 'public' && route.method === 'GET' ? [] : EVERYWHERE),
    ...(route.permission === 'public' ? [] : WITH_CREDENTIAL),
    ...(route.operation === 'login' ? ['unauthenticated' as const] : []),
    ...(route.body === undefined ? [] : WITH_BODY),
    ...(route.method === 'POST' ? WITH_POST : []),
  ])
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of codes) {
    const status = HTTP_STATUS[code]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  const entries = [...byStatus].map(([status, of]): [string, JsonSchema] => [
    String(status),
    {
      description: of
        .toSorted()
        .map((code) => `\`${code}\``)
        .join(', '),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
  ])
  return Object.fromEntries(entries)
}
