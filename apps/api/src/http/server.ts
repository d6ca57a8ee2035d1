import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { AgentfsError } from '@agentfs/contracts'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { problemOf } from './problem.js'
import { sendProblem } from './problem-filter.js'
import { checkProtocol, PROTOCOL_HEADERS } from './protocol.js'
import { requestIdOf } from './request-id.js'
import { SECURITY_HEADERS, STRICT_TRANSPORT } from './security-headers.js'
import { drainBounded, endsUnread } from './unread-body.js'

/** What the HTTP server needs to know of its place. */
export interface HttpServerOptions {
  /** Whose `X-Forwarded-*` to believe: nobody's, everybody's, or those of the named addresses and networks. */
  readonly trustProxy: boolean | string
  readonly tls: { readonly cert: string; readonly key: string } | null
}

/** Fastify as the API wants it: bodies unread until a handler asks, own request ids, problems for every fault. */
export function createHttpAdapter(options: HttpServerOptions): FastifyAdapter {
  const adapter = new FastifyAdapter({
    logger: false,
    genReqId: requestIdOf,
    requestIdHeader: false,
    trustProxy: options.trustProxy,
    routerOptions: { maxParamLength: PATH_CHARACTERS_MAX },
    frameworkErrors: refuseTarget,
    clientErrorHandler: refuseGarbage,
    // Uploads may take their time, but not be silent: a connection without a byte for this long is dropped.
    requestTimeout: 0,
    connectionTimeout: SILENCE_MAX_MS,
    keepAliveTimeout: 72_000,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    // No middleware is used; without it every request is spared a hop.
    skipMiddie: true,
    http: NODE_OPTIONS,
    ...(options.tls === null ? {} : { https: { ...options.tls, ...NODE_OPTIONS } }),
  })
  const fastify = adapter.getInstance()
  const headers = {
    ...SECURITY_HEADERS,
    ...(options.tls === null ? {} : { 'strict-transport-security': STRICT_TRANSPORT }),
  }
  fastify.decorateRequest('caller', null)
  fastify.decorateRequest('shown', null)
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.headers(headers).header('x-request-id', request.id)
    if (request.raw.url?.startsWith('/v1/') === true) {
      reply.headers(PROTOCOL_HEADERS).header('cache-control', 'no-store')
      const refusal = checkProtocol(request.headers['agentfs-protocol'])
      if (refusal !== null) {
        sendProblem(reply, refusal, request.id)
        return
      }
    }
    done()
  })
  fastify.addHook('onSend', (request, reply, _payload, done) => {
    if (endsUnread(request.raw)) reply.header('connection', 'keep-alive')
    done()
  })
  fastify.addHook('onResponse', (request, _reply, done) => {
    drainBounded(request.raw)
    done()
  })
  fastify.removeAllContentTypeParsers()
  // Whatever the type says: PUT takes the bytes of a .json file as they are, and JSON is read by its own pipe.
  fastify.addContentTypeParser('*', (_request, _payload, done) => done(null, null))
  return adapter
}

/** 4,096 bytes of path, each percent-encoded, and a little. */
const PATH_CHARACTERS_MAX = 16_384
const SILENCE_MAX_MS = 120_000

const NODE_OPTIONS = {
  maxHeaderSize: 32_768,
  // Only WebSockets are upgraded; a client that offers h2c with its POST is answered in HTTP/1.1 with its body read.
  shouldUpgradeCallback: (request: IncomingMessage) => request.headers.upgrade?.toLowerCase() === 'websocket',
}

/** A target that the router cannot take: broken percent-encoding, or a parameter beyond any length. */
function refuseTarget(error: Error, request: FastifyRequest, reply: FastifyReply): void {
  const detail = 'the path is not percent-encoded UTF-8, or is far too long'
  sendProblem(
    reply.headers(SECURITY_HEADERS).header('x-request-id', request.id),
    new AgentfsError('invalid_path', { detail }, { cause: error }),
    request.id,
  )
}

/** Bytes that are no HTTP at all. */
function refuseGarbage(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const overflow = error.code === 'HPE_HEADER_OVERFLOW'
  const detail = overflow
    ? 'the request line and headers have more than 32 KiB'
    : 'this is not an HTTP request'
  const status = overflow ? '431 Request Header Fields Too Large' : '400 Bad Request'
  const body = JSON.stringify(
    problemOf(new AgentfsError('invalid_request', { detail }), requestIdOf({ headers: {} })),
  )
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
      `connection: close\r\n\r\n${body}`,
  )
}
