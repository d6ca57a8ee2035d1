import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'

/** How long a connection that nobody uses is kept. Shorter than what networks forget silently: a push must not find out. */
const IDLE_MS = 15_000

/**
 * The engine's requests, on connections that can be dropped. The pool of the global fetch cannot: after a network lost its
 * connections without telling, every request would wait on one of them for as long as it may, and the mount would show old
 * bytes meanwhile [VIS-4].
 */
export class Transport {
  readonly #ca: string | undefined
  #agents: { readonly http: HttpAgent; readonly https: HttpsAgent }

  constructor(ca?: string) {
    this.#ca = ca
    this.#agents = this.#newAgents()
  }

  /** As the global fetch, for text and bytes as bodies; the answer's body is at hand when it resolves. */
  readonly fetch: typeof fetch = async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input)
    const { method = 'GET', body = null, signal } = init
    if (body !== null && typeof body !== 'string' && !(body instanceof Uint8Array)) {
      throw new TypeError('the sync routes take text or bytes')
    }
    const headers = Object.fromEntries(new Headers(init.headers))
    const secure = url.protocol === 'https:'
    const send = secure ? httpsRequest : httpRequest
    const agent = secure ? this.#agents.https : this.#agents.http
    return await new Promise<Response>((resolve, reject) => {
      const request = send(url, { method, headers, agent, ...(signal ? { signal } : {}) }, (answer) => {
        readAll(answer).then((bytes) => resolve(responseOf(answer, bytes)), reject)
      })
      request.on('error', reject)
      request.end(body ?? undefined)
    })
  }

  /** Drops every connection: requests under way fail, later ones begin anew. */
  reset(): void {
    const { http, https } = this.#agents
    this.#agents = this.#newAgents()
    http.destroy()
    https.destroy()
  }

  #newAgents(): { http: HttpAgent; https: HttpsAgent } {
    const options = { keepAlive: true, timeout: IDLE_MS, scheduling: 'lifo' } as const
    return {
      http: new HttpAgent(options),
      https: new HttpsAgent({ ...options, ...(this.#ca === undefined ? {} : { ca: this.#ca }) }),
    }
  }
}

async function readAll(answer: IncomingMessage): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

const WITHOUT_BODY = new Set([204, 205, 304])

function responseOf(answer: IncomingMessage, bytes: Buffer<ArrayBuffer>): Response {
  const status = answer.statusCode ?? 502
  const headers = new Headers()
  for (const [name, values] of Object.entries(answer.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value)
  }
  const statusText = answer.statusMessage ?? ''
  return new Response(WITHOUT_BODY.has(status) ? null : bytes, { status, statusText, headers })
}
