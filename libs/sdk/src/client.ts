import type {
  Agent,
  AgentCreateRequest,
  AgentUpdateRequest,
  ApiKey,
  AuditEvent,
  AuditQuery,
  Erasure,
  FlushAnswer,
  FlushRequest,
  Health,
  KeyCreateAnswer,
  KeyCreateRequest,
  ListOf,
  MirrorRequest,
  MirrorStatus,
  SignupAnswer,
  SignupRequest,
  TokenAnswer,
  TokenRequest,
  WhoamiAnswer,
} from '@agentfs/contracts'
import { Files } from './files.js'
import { Http, type ConnectionOptions } from './http.js'
import { SyncRoutes } from './sync.js'

/**
 * A client of an agentfs service. Methods answer what the route answers; every failure is an AgentfsError whose `code`
 * is stable, `unavailable` with `details.unreachable` where nobody answered.
 *
 * ```ts
 * const client = new AgentfsClient({ url: 'http://127.0.0.1:7333', token: process.env.AGENTFS_TOKEN })
 * await client.agent('research').files.write('notes.md', '# Notes\n')
 * ```
 */
export class AgentfsClient {
  readonly #http: Http

  constructor(options: ConnectionOptions) {
    this.#http = new Http(options)
  }

  /** Makes a tenant, its first user and its first API key; the key's secret is shown this once. */
  signup(request: SignupRequest): Promise<SignupAnswer> {
    return this.#http.json('POST', '/v1/signup', { json: request })
  }

  /** Exchanges an API key for an access token of at most five minutes, possibly narrower [SY-1]. */
  token(request: TokenRequest = {}): Promise<TokenAnswer> {
    return this.#http.json('POST', '/v1/auth/token', { json: request })
  }

  whoami(): Promise<WhoamiAnswer> {
    return this.#http.json('GET', '/v1/whoami')
  }

  health(): Promise<Health> {
    return this.#http.json('GET', '/healthz', { timeoutMs: 5_000 })
  }

  createKey(request: KeyCreateRequest): Promise<KeyCreateAnswer> {
    return this.#http.json('POST', '/v1/keys', { json: request })
  }

  listKeys(page: { limit?: number; cursor?: string } = {}): Promise<ListOf<ApiKey>> {
    return this.#http.json('GET', '/v1/keys', { query: page })
  }

  async revokeKey(id: string): Promise<void> {
    await this.#http.request('DELETE', `/v1/keys/${encodeURIComponent(id)}`)
  }

  createAgent(request: AgentCreateRequest): Promise<Agent> {
    return this.#http.json('POST', '/v1/agents', { json: request })
  }

  listAgents(page: { limit?: number; cursor?: string } = {}): Promise<ListOf<Agent>> {
    return this.#http.json('GET', '/v1/agents', { query: page })
  }

  /** The agent of a name or id. */
  getAgent(agent: string): Promise<Agent> {
    return this.#http.json('GET', `/v1/agents/${encodeURIComponent(agent)}`)
  }

  updateAgent(agent: string, request: AgentUpdateRequest): Promise<Agent> {
    return this.#http.json('PATCH', `/v1/agents/${encodeURIComponent(agent)}`, { json: request })
  }

  /** Deletes an agent; `erase` all its keys too, and the answer says what is still to follow, null where nothing is. */
  async deleteAgent(agent: string, options: { erase?: boolean } = {}): Promise<Erasure | null> {
    const path = `/v1/agents/${encodeURIComponent(agent)}`
    const response = await this.#http.request('DELETE', path, { query: { erase: options.erase } })
    return response.status === 202 ? ((await response.json()) as Erasure) : null
  }

  /** Erases the caller's tenant for good, its name repeated; the answer says what is still to follow, null where nothing is. */
  async eraseTenant(name: string): Promise<Erasure | null> {
    const response = await this.#http.request('DELETE', '/v1/tenant', { query: { name } })
    return response.status === 202 ? ((await response.json()) as Erasure) : null
  }

  /** A page of audit events, newest first. */
  auditEvents(query: Partial<AuditQuery> = {}): Promise<ListOf<AuditEvent>> {
    return this.#http.json('GET', '/v1/audit/events', { query })
  }

  /** How the open mirror of an agent stands. */
  mirror(agent: string): Promise<MirrorStatus> {
    return this.#http.json('GET', `/v1/agents/${encodeURIComponent(agent)}/mirror`)
  }

  /** Switches the open mirror of an agent; on, it holds the files in plaintext. */
  setMirror(agent: string, request: MirrorRequest): Promise<MirrorStatus> {
    return this.#http.json('PUT', `/v1/agents/${encodeURIComponent(agent)}/mirror`, { json: request })
  }

  /** What belongs to one agent, by name or id. */
  agent(agent: string): AgentHandle {
    return new AgentHandle(this.#http, agent)
  }
}

/** What belongs to one agent. */
export class AgentHandle {
  readonly files: Files
  readonly sync: SyncRoutes
  readonly #http: Http
  readonly #agent: string

  constructor(http: Http, agent: string) {
    this.#http = http
    this.#agent = agent
    this.files = new Files(http, agent)
    this.sync = new SyncRoutes(http, agent)
  }

  /** Waits until all that was committed before is *stored* (or only *acknowledged*); `timeout` where that takes too long. */
  flush(request: FlushRequest = {}): Promise<FlushAnswer> {
    return this.#http.json('POST', `/v1/agents/${encodeURIComponent(this.#agent)}/flush`, {
      json: request,
      timeoutMs: (request.timeoutMs ?? 30_000) + 5_000,
    })
  }
}
