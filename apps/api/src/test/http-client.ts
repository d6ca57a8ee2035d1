import { Agent, type IncomingHttpHeaders, request } from 'node:http'

/** An answer, read whole. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** The body as JSON, of whatever shape the test expects. */
  json<T = Record<string, unknown>>(): T
}

/** What to send. */
export interface Sending {
  readonly json?: unknown
  readonly body?: Uint8Array | string
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * HTTP as it is on the wire: the target is sent as written. fetch and undici would resolve `..` themselves, and the
 * service would never see it.
 */
export class HttpClient {
  readonly #url: URL
  readonly #headers: Readonly<Record<string, string>>
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 })

  constructor(url: string, credential?: string) {
    this.#url = new URL(url)
    this.#headers = credential === undefined ? {} : { authorization: `Bearer ${credential}` }
  }

  /** Sends one request. */
  async send(method: string, target: string, sending: Sending = {}): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const payload = sending.json === undefined ? sending.body : JSON.stringify(sending.json)
    const chunked = sending.headers?.['transfer-encoding'] !== undefined
    const outgoing = request({
      host: this.#url.hostname,
      port: this.#url.port,
      agent: this.#agent,
      method,
      path: target,
      headers: {
        ...this.#headers,
        ...(sending.json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(payload === undefined || chunked ? {} : { 'content-length': Buffer.byteLength(payload) }),
        ...sending.headers,
      },
    })
    outgoing.on('error', reject)
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const body = Buffer.concat(chunks)
        const { statusCode = 0, headers } = incoming
        resolve({ status: statusCode, headers, body, json: <T>() => JSON.parse(body.toString('utf8')) as T })
      })
    })
    outgoing.end(payload)
    return await promise
  }

  get(target: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.send('GET', target, { headers })
  }

  post(target: string, json?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.send('POST', target, json === undefined ? { headers } : { json, headers })
  }

  put(
    target: string,
    body: Uint8Array | string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    return this.send('PUT', target, { body, headers })
  }

  delete(target: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.send('DELETE', target, { headers })
  }

  /** Lets go of its connections. */
  close(): void {
    this.#agent.destroy()
  }
}
