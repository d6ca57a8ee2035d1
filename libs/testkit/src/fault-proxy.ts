import {
  Agent,
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http'
import { connect } from 'node:net'
import { Duplex } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'

/** A request as it came to the proxy. */
export interface ProxiedRequest {
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/**
 * What is done with one request, each kind after `latencyMs`.
 * - `pass`: forwarded.
 * - `slow`: forwarded, both bodies at `bytesPerSecond`.
 * - `answer`: answered by the proxy; the target never sees it.
 * - `hang`: taken, and never answered.
 * - `reset`: the connection is reset; the target never sees the request.
 * - `cutRequest`: the target gets the head and some bytes of the body, then both connections are reset.
 * - `loseAnswer`: forwarded whole, and when the target has answered the connection is reset.
 * - `cutAnswer`: forwarded, and the connection is reset after some bytes of the answer's body.
 * - `rewriteRequest`, `rewriteAnswer`: the body is changed on its way, which keeps it in memory; a request's body must
 *   keep its length, for the length may be signed.
 */
export type Fault = { readonly latencyMs?: number } & (
  | { readonly kind: 'pass' | 'hang' | 'reset' | 'loseAnswer' }
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
    }
  | { readonly kind: 'cutRequest' | 'cutAnswer'; readonly afterBytes: number }
  | { readonly kind: 'rewriteRequest' | 'rewriteAnswer'; readonly rewrite: (body: Buffer) => Buffer }
)

const PASS: Fault = { kind: 'pass' }

/** A proxy before the HTTP service at `target` (`http://127.0.0.1:port`): it counts, delays and breaks requests. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const proxy = new FaultProxy(new URL(target))
  await proxy.listen()
  return proxy
}

/** Use `startFaultProxy`. Headers pass unchanged, the Host too, so that signatures over them stay valid. */
export class FaultProxy {
  /** Decides about each request; everything passes unless told. */
  rule: (request: ProxiedRequest) => Fault = () => PASS
  /** Every request seen so far, in order; set its length to 0 to count anew. */
  readonly requests: ProxiedRequest[] = []
  readonly #target: URL
  readonly #agent = new Agent({ keepAlive: true })
  readonly #server = createServer((incoming, answer) => {
    this.#handle(incoming, answer).catch(() => incoming.socket.destroy())
  })
  readonly #tunnels = new Set<Duplex>()
  #port = 0

  constructor(target: URL) {
    this.#target = target
    this.#server.on('upgrade', (incoming, socket, first) => this.#tunnel(incoming, socket, first))
  }

  /** Where clients go instead of the target. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Starts to listen; `startFaultProxy` has done it. */
  async listen(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.listen(this.#port, '127.0.0.1', resolve)
    })
    const address = this.#server.address()
    if (address !== null && typeof address === 'object') this.#port = address.port
  }

  /** How many requests of a method came. */
  count(method: string): number {
    return this.requests.filter((one) => one.method === method).length
  }

  /** Refuses connections, those that are open too; `listen()` takes them again on the same port. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    this.#server.closeAllConnections()
    for (const socket of this.#tunnels) socket.destroy()
    await closed
    this.#agent.destroy()
  }

  async #handle(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const seen = { method: incoming.method ?? 'GET', path: incoming.url ?? '/', headers: incoming.headers }
    this.requests.push(seen)
    const fault = this.rule(seen)
    incoming.once('error', () => undefined)
    answer.once('error', () => undefined)
    if (fault.latencyMs !== undefined) await delay(fault.latencyMs)
    switch (fault.kind) {
      case 'hang':
        incoming.resume()
        return
      case 'reset':
        incoming.socket.resetAndDestroy()
        return
      case 'answer':
        incoming.resume()
        answer.writeHead(fault.status, fault.headers).end(fault.body)
        return
      case 'cutRequest':
        this.#cutRequest(incoming, answer, fault.afterBytes)
        return
      case 'rewriteRequest': {
        const body = fault.rewrite(await buffer(incoming))
        this.#forward(incoming, (reply) => pass(reply, answer), answer).end(body)
        return
      }
      default:
        this.#pipe(fault, incoming, answer)
    }
  }

  /** A WebSocket: passed through as it is, or answered; every other fault ends it. */
  #tunnel(incoming: IncomingMessage, socket: Duplex, first: Buffer): void {
    const seen = { method: 'GET', path: incoming.url ?? '/', headers: incoming.headers }
    this.requests.push(seen)
    socket.on('error', () => undefined)
    const fault = this.rule(seen)
    if (fault.kind === 'answer') {
      const headers = Object.entries({ ...fault.headers, connection: 'close' }).map((pair) => pair.join(': '))
      const body = fault.body ?? ''
      const head = [
        `HTTP/1.1 ${fault.status} Refused`,
        ...headers,
        `content-length: ${Buffer.byteLength(body)}`,
      ]
      socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
      return
    }
    if (fault.kind !== 'pass') {
      socket.destroy()
      return
    }
    const { hostname, port } = this.#target
    const upstream = connect(Number(port), hostname)
    for (const [from, to] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      this.#tunnels.add(from)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        this.#tunnels.delete(from)
        to.destroy()
      })
    }
    const raw = incoming.rawHeaders
    const lines = Array.from({ length: raw.length / 2 }, (_, at) => `${raw[2 * at]}: ${raw[2 * at + 1]}`)
    upstream.write(`GET ${incoming.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
    upstream.write(first)
    socket.pipe(upstream).pipe(socket)
  }

  #pipe(fault: Fault, incoming: IncomingMessage, answer: ServerResponse): void {
    const take = (reply: IncomingMessage): void => {
      takeAnswer(fault, reply, incoming, answer).catch(() => answer.socket?.resetAndDestroy())
    }
    const outgoing = this.#forward(incoming, take, answer)
    if (fault.kind !== 'slow') incoming.pipe(outgoing)
    else pipeline(incoming, throttle(fault.bytesPerSecond), outgoing).catch(() => outgoing.destroy())
  }

  /** The request to the target, its body still to be given. */
  #forward(
    incoming: IncomingMessage,
    take: (reply: IncomingMessage) => void,
    answer: ServerResponse,
  ): ClientRequest {
    const { hostname, port } = this.#target
    const { method, url, rawHeaders } = incoming
    const outgoing = request(
      { hostname, port, method, path: url, headers: pairs(rawHeaders), agent: this.#agent },
      take,
    )
    outgoing.on('error', () => answer.socket?.resetAndDestroy())
    answer.once('close', () => {
      if (!answer.writableFinished) outgoing.destroy()
    })
    return outgoing
  }

  #cutRequest(incoming: IncomingMessage, answer: ServerResponse, afterBytes: number): void {
    const outgoing = this.#forward(incoming, (reply) => reply.resume(), answer)
    outgoing.flushHeaders()
    const cutNow = (): void => {
      outgoing.destroy()
      incoming.socket.resetAndDestroy()
    }
    let left = afterBytes
    incoming.on('data', (chunk: Buffer) => {
      if (left <= 0) return
      const part = chunk.subarray(0, left)
      left -= part.length
      outgoing.write(part, () => {
        if (left <= 0) cutNow()
      })
    })
    // A body shorter than that: its end never comes.
    incoming.once('end', () => {
      if (left > 0 || afterBytes <= 0) cutNow()
    })
  }
}

async function takeAnswer(
  fault: Fault,
  reply: IncomingMessage,
  incoming: IncomingMessage,
  answer: ServerResponse,
): Promise<void> {
  switch (fault.kind) {
    case 'loseAnswer':
      reply.resume().once('end', () => incoming.socket.resetAndDestroy())
      return
    case 'cutAnswer':
      cut(reply, answer, fault.afterBytes)
      return
    case 'slow':
      answer.writeHead(reply.statusCode ?? 502, pairs(reply.rawHeaders))
      await pipeline(reply, throttle(fault.bytesPerSecond), answer)
      return
    case 'rewriteAnswer': {
      const { 'transfer-encoding': _, ...headers } = reply.headers
      const whole = await buffer(reply)
      // The answer to a HEAD has a length and no body.
      const body = whole.length === 0 ? whole : fault.rewrite(whole)
      const length = whole.length === 0 ? headers['content-length'] : String(body.length)
      answer.writeHead(reply.statusCode ?? 502, { ...headers, 'content-length': length }).end(body)
      return
    }
    default:
      pass(reply, answer)
  }
}

function pass(reply: IncomingMessage, answer: ServerResponse): void {
  answer.writeHead(reply.statusCode ?? 502, pairs(reply.rawHeaders))
  reply.once('error', () => answer.socket?.resetAndDestroy())
  reply.pipe(answer)
}

function cut(reply: IncomingMessage, answer: ServerResponse, afterBytes: number): void {
  answer.writeHead(reply.statusCode ?? 502, pairs(reply.rawHeaders))
  let left = afterBytes
  reply.on('data', (chunk: Buffer) => {
    if (left <= 0) return
    const part = chunk.subarray(0, left)
    left -= part.length
    answer.write(part, () => {
      if (left <= 0) answer.socket?.resetAndDestroy()
    })
  })
  // A body shorter than that.
  reply.once('end', () => {
    if (left > 0 || afterBytes <= 0) answer.socket?.resetAndDestroy()
  })
}

/** Lets bytes through at a rate, in slices of a tenth of a second. */
function throttle(bytesPerSecond: number): Duplex {
  const slice = Math.max(1, Math.floor(bytesPerSecond / 10))
  return Duplex.from(async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length; at += slice) {
        const part = chunk.subarray(at, at + slice)
        await delay((part.length / bytesPerSecond) * 1_000)
        yield part
      }
    }
  })
}

function pairs(rawHeaders: readonly string[]): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {}
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const [name, value] = [rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '']
    const before = headers[name]
    headers[name] = before === undefined ? value : [before, value].flat()
  }
  return headers
}
