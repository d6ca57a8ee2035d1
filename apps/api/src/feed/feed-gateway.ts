import { type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { AgentfsError, type FeedQuery } from '@agentfs/contracts'
import type { Caller, Engine } from '@agentfs/engine'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import type { Authenticator } from '../auth/authenticator.js'
import { assertSameOrigin } from '../auth/same-origin.js'
import { PROTOCOL_HEADERS } from '../http/protocol.js'
import type { ApiMetrics } from '../metrics/metrics.js'
import { FeedConnection, type FeedCredential } from './feed-connection.js'
import type { FeedHub } from './feed-hub.js'
import { CLOSE_CODES, FeedSocket } from './feed-socket.js'

/** What a gateway is made of. */
export interface FeedGatewayParts {
  readonly engine: Engine
  readonly authenticator: Authenticator
  readonly hub: FeedHub
  readonly log: Logger
  readonly metrics: ApiMetrics
}

/**
 * Turns requests into feeds. An upgrade takes the way of any request, hooks, guards and problems included, by a
 * response made for its socket; only when the engine has let the caller in does the socket become a WebSocket.
 */
export class FeedGateway {
  readonly #parts: FeedGatewayParts
  readonly #upgrades = new WeakMap<IncomingMessage, { socket: Socket; head: Buffer }>()
  readonly #sockets = new WebSocketServer({
    noServer: true,
    clientTracking: true,
    maxPayload: CLIENT_FRAME_BYTES_MAX,
    perMessageDeflate: false,
  })

  constructor(parts: FeedGatewayParts) {
    this.#parts = parts
    this.#sockets.on('headers', (headers) => {
      for (const [name, value] of Object.entries(PROTOCOL_HEADERS)) headers.push(`${name}: ${value}`)
    })
  }

  /** Sends upgrades of the server through Fastify. */
  attach(server: Server, fastify: FastifyInstance): void {
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      socket.on('error', () => socket.destroy())
      const response = new ServerResponse(request)
      response.shouldKeepAlive = false
      response.assignSocket(socket)
      response.once('finish', () => socket.end())
      this.#upgrades.set(request, { socket, head })
      fastify.routing(request, response)
    })
  }

  /** Opens a feed for a caller that the guards let in. */
  async open(
    request: FastifyRequest,
    reply: FastifyReply,
    caller: Caller,
    target: { readonly agent: string; readonly query: FeedQuery },
  ): Promise<void> {
    const upgrade = this.#upgrades.get(request.raw)
    if (upgrade === undefined)
      throw new AgentfsError('invalid_request', {
        detail: 'the feed is a WebSocket: send Upgrade: websocket',
      })
    const { shown } = request
    // A page of another site may open WebSockets too, and the browser sends the session along.
    if (shown?.kind === 'session') assertSameOrigin(request, 'always')
    const { address, head } = await this.#parts.engine.sync.openFeed(caller, target.agent, target.query)
    reply.hijack()
    reply.raw.detachSocket(upgrade.socket)
    this.#sockets.handleUpgrade(request.raw, upgrade.socket, upgrade.head, (webSocket) => {
      const socket = new FeedSocket(webSocket, (type) => this.#parts.metrics.frameSent(type))
      const { engine, log } = this.#parts
      const renew = this.#renew.bind(this)
      const credential = { caller, expiresAtMs: shown?.expiresAtMs ?? null }
      const feed = new FeedConnection(
        { socket, sync: engine.sync, address, credential, renew, log },
        target.query,
      )
      this.#wire(webSocket, feed)
      feed.start(head)
    })
  }

  /** Asks all clients to come back to another process. */
  close(): void {
    for (const webSocket of this.#sockets.clients)
      webSocket.close(CLOSE_CODES.restart, 'the service restarts; resume')
    setTimeout(() => {
      for (const webSocket of this.#sockets.clients) webSocket.terminate()
    }, GOODBYE_MS_MAX).unref()
  }

  #wire(webSocket: WebSocket, feed: FeedConnection): void {
    const remove = this.#parts.hub.add(feed)
    const openedAtMs = performance.now()
    const { caller } = feed.credential
    const facts = {
      requestId: caller.requestId,
      tenant: feed.address.tenantId,
      actor: caller.principal.actor.id,
    }
    this.#parts.log.info(facts, 'feed opened')
    let alive = true
    // A peer that vanished without a word is noticed by its silence.
    const pings = setInterval(() => {
      if (alive) webSocket.ping()
      else webSocket.terminate()
      alive = false
    }, PING_MS)
    webSocket.on('pong', () => (alive = true))
    webSocket.on('message', (data: RawData, binary: boolean) => {
      alive = true
      if (binary && Buffer.isBuffer(data)) feed.received(data)
      else webSocket.close(CLOSE_CODES.malformed, 'frames are binary MessagePack')
    })
    webSocket.on('error', () => webSocket.terminate())
    webSocket.once('close', (code: number) => {
      this.#parts.log.info({ ...facts, code, ms: Math.round(performance.now() - openedAtMs) }, 'feed closed')
      clearInterval(pings)
      remove()
    })
  }

  async #renew(current: FeedCredential, accessToken: string): Promise<FeedCredential> {
    const { caller } = current
    const fresh = await this.#parts.authenticator.authenticate(
      { kind: 'token', text: accessToken },
      caller.address,
    )
    const { principal } = fresh
    const same =
      principal.scope.tenantId === caller.principal.scope.tenantId &&
      principal.actor.id === caller.principal.actor.id &&
      principal.keyId === caller.principal.keyId
    if (!same) throw new AgentfsError('forbidden', { detail: 'a feed is renewed by its own caller' })
    return { caller: { ...caller, principal }, expiresAtMs: fresh.expiresAtMs }
  }
}

const CLIENT_FRAME_BYTES_MAX = 65_536
const PING_MS = 15_000
const GOODBYE_MS_MAX = 1_000
