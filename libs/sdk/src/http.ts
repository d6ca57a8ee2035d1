import { AgentfsError, HTTP_STATUS, PROTOCOL_VERSION, type Door, type ErrorCode } from '@agentfs/contracts'
import { Silence } from './silence.js'

/** How to reach a service and as whom. */
export interface ConnectionOptions {
  /** The service's address, for example `http://127.0.0.1:7333`. */
  readonly url: string
  /** An API key or an access token; a function is asked before each request, so that it may renew. */
  readonly token?: string | (() => string | Promise<string>)
  /** Instead of the global fetch. */
  readonly fetch?: typeof fetch
  /** Through which door calls come, for the audit log; `sdk` where absent. */
  readonly door?: Door
  /** Milliseconds without a byte of the answer after which a request is given up; 30,000 where absent. */
  readonly timeoutMs?: number
}

/** What fetch takes as a body. */
export type RequestBody = NonNullable<RequestInit['body']>

/** One request. */
export interface RequestOptions {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly body?: RequestBody
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
}

/** Sends requests and turns every failure into an AgentfsError: the service's code, or `unavailable` where it did not answer. */
export class Http {
  readonly baseUrl: string
  readonly #options: ConnectionOptions

  constructor(options: ConnectionOptions) {
    this.baseUrl = options.url.replace(/\/+$/, '')
    this.#options = options
  }

  /** The headers that carry the credential, for requests made elsewhere (the feed's WebSocket). */
  async headers(): Promise<Record<string, string>> {
    const { token, door } = this.#options
    const value = typeof token === 'function' ? await token() : token
    return {
      'agentfs-protocol': String(PROTOCOL_VERSION),
      'agentfs-door': door ?? 'sdk',
      ...(value === undefined ? {} : { authorization: `Bearer ${value}` }),
    }
  }

  /** The answer of a request that succeeded (2xx, or 304). */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const url = this.#url(path, options.query)
    const headers: Record<string, string> = { ...(await this.headers()), ...options.headers }
    let body = options.body
    if (options.json !== undefined) {
      headers['content-type'] = 'application/json'
      body = JSON.stringify(options.json)
    }
    const silence = new Silence(options.timeoutMs ?? this.#options.timeoutMs ?? 30_000)
    const signal =
      options.signal === undefined ? silence.signal : AbortSignal.any([options.signal, silence.signal])
    const init: RequestInit & { duplex?: 'half' } = { method, headers, signal }
    if (body !== undefined) {
      init.body = body
      if (body instanceof ReadableStream) init.duplex = 'half'
    }
    let response: Response
    try {
      response = await silence.during((this.#options.fetch ?? fetch)(url, init))
    } catch (error) {
      if (options.signal?.aborted === true) throw error
      throw unreachable(this.baseUrl, error)
    }
    const heard = silence.watch(response, (error) => unreachable(this.baseUrl, error))
    if (heard.ok || heard.status === 304) return heard
    throw await problemOf(heard)
  }

  /** A request whose answer is JSON. The shape is the route's contract. */
  async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const response = await this.request(method, path, options)
    return (await response.json()) as T
  }

  #url(path: string, query: RequestOptions['query']): string {
    const parameters = new URLSearchParams()
    for (const [key, value] of Object.entries(query ?? {})) {
      if (value !== undefined) parameters.set(key, String(value))
    }
    const text = parameters.toString()
    return `${this.baseUrl}${path}${text === '' ? '' : `?${text}`}`
  }
}

function unreachable(url: string, cause: unknown): AgentfsError {
  return new AgentfsError(
    'unavailable',
    { detail: `no answer from ${url}; is the service running, and is the address right?`, unreachable: true },
    { cause },
  )
}

async function problemOf(response: Response): Promise<AgentfsError> {
  const text = await response.text().catch(() => '')
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN)
  const extra = {
    status: response.status,
    ...(Number.isFinite(retryAfter) ? { retryAfterSeconds: retryAfter } : {}),
  }
  try {
    const problem = JSON.parse(text) as Record<string, unknown>
    const code = String(problem['code'])
    if (code in HTTP_STATUS) return new AgentfsError(code as ErrorCode, { ...problem, ...extra })
  } catch {
    // Not ours: a proxy's page, or an answer cut short. The status decides below.
  }
  return new AgentfsError(codeOfStatus(response.status), {
    ...extra,
    foreign: true,
    detail: `the service answered ${response.status}${response.statusText === '' ? '' : ` ${response.statusText}`}`,
  })
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 401) return 'unauthenticated'
  if (status === 403) return 'forbidden'
  if (status === 404) return 'not_found'
  if (status === 429) return 'rate_limited'
  return status >= 500 ? 'unavailable' : 'invalid_request'
}
