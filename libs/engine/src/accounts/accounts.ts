import { isDeepStrictEqual } from 'node:util'
import { narrowScope, type Principal } from '@agentfs/access'
import {
  AgentfsError,
  type ApiKey,
  type KeyCreateAnswer,
  type KeyCreateRequest,
  type ListOf,
  type ListQuery,
  type LoginRequest,
  type SignupAnswer,
  type SignupRequest,
  type TokenRequest,
  type WhoamiAnswer,
} from '@agentfs/contracts'
import { hashApiKey, makeApiKey } from '@agentfs/crypto'
import {
  type ApiKeyRow,
  findApiKey,
  findTenant,
  findUser,
  insertApiKey,
  listApiKeys,
  revokeApiKey,
} from '@agentfs/storage'
import type { AgentGate } from '../agents/agent-gate.js'
import type { AccountsApi, TokenClaims } from '../api/accounts-api.js'
import type { Caller, RequestOrigin } from '../caller.js'
import type { Administration } from '../streams/administration.js'
import { apiKeyImageOf } from '../streams/tenant-state.js'
import { Credentials, limitsOf } from './credentials.js'
import { emailOf, Sessions } from './sessions.js'
import { signup, type SignupTools } from './signup.js'

const TOKEN_SECONDS_MAX = 300

/** People, sessions, API keys and tokens. */
export class Accounts implements AccountsApi {
  readonly #tools: SignupTools
  readonly #gate: AgentGate
  readonly #administration: Administration
  readonly #credentials: Credentials
  readonly #sessions: Sessions

  constructor(tools: SignupTools, gate: AgentGate, administration: Administration) {
    const { database, vault, secrets, clock } = tools
    this.#tools = tools
    this.#gate = gate
    this.#administration = administration
    this.#credentials = new Credentials(database, secrets, clock)
    this.#sessions = new Sessions(database, vault, secrets, administration, clock)
  }

  signup(origin: RequestOrigin, request: SignupRequest): Promise<SignupAnswer> {
    return signup(this.#tools, origin, request)
  }

  login(origin: RequestOrigin, request: LoginRequest) {
    return this.#sessions.login(origin, request)
  }

  logout(origin: RequestOrigin, sessionToken: string): Promise<void> {
    return this.#sessions.logout(origin, sessionToken)
  }

  verifySession(sessionToken: string): Promise<Principal> {
    return this.#sessions.verify(sessionToken)
  }

  verifyApiKey(text: string, address: string | null): Promise<Principal> {
    return this.#credentials.verifyApiKey(text, address)
  }

  verifyToken(claims: TokenClaims, address: string | null): Promise<Principal> {
    return this.#credentials.verifyToken(claims, address)
  }

  /** Throws what `verifyToken` would where a principal's credential no longer holds. */
  async stillHolds(principal: Principal, address: string | null): Promise<void> {
    const { scope, actor, keyId, limits } = principal
    if (actor.kind === 'service') return
    const { kind, id } = actor
    await this.verifyToken({ tenantId: scope.tenantId, actor: { kind, id }, keyId, limits }, address)
  }

  async issueToken(caller: Caller, request: TokenRequest) {
    const { principal } = caller
    const agent = request.agent === undefined ? undefined : await this.#gate.open(caller, request.agent)
    const { role, prefixes } = request
    const agents = agent === undefined ? undefined : [agent.agentId]
    const ttlSeconds = Math.min(request.ttlSeconds ?? TOKEN_SECONDS_MAX, TOKEN_SECONDS_MAX)
    const ends = new Date(this.#tools.clock.now() + ttlSeconds * 1000).toISOString()
    const limits = narrowScope(principal.limits, { role, prefixes, agents, expiresAt: ends })
    if (principal.actor.kind === 'service') throw new AgentfsError('forbidden')
    const { kind, id } = principal.actor
    const claims: TokenClaims = {
      tenantId: principal.scope.tenantId,
      actor: { kind, id },
      keyId: principal.keyId,
      limits,
    }
    await this.#administration.note(
      caller,
      'tenant',
      [{ action: 'auth.token' }],
      'allowed',
      agent?.agentId ?? null,
    )
    return { claims, expiresAt: limits.expiresAt ?? ends, ttlSeconds }
  }

  async whoami(caller: Caller): Promise<WhoamiAnswer> {
    const { scope, actor, keyId, limits } = caller.principal
    const found = await this.#tools.database.withTenant(scope, async (tx) => {
      const [tenant, user, key] = await Promise.all([
        findTenant(tx),
        actor.kind === 'user' ? findUser(tx, actor.id) : undefined,
        keyId === null ? undefined : findApiKey(tx, keyId),
      ])
      const keys = await this.#tools.vault.load(tx, user === undefined ? [] : [user.subjectKeyId])
      return { tenant, user, key, keys }
    })
    const { tenant, user, key, keys } = found
    if (tenant === undefined) throw new AgentfsError('not_found', { detail: 'the tenant is gone' })
    return {
      tenant: { id: scope.tenantId, name: tenant.name, createdAt: tenant.createdAt.toISOString() },
      ...(user === undefined
        ? {}
        : {
            user: {
              id: user.userId,
              email: emailOf(scope, user, keys),
              role: user.role,
              createdAt: user.createdAt.toISOString(),
            },
          }),
      ...(key === undefined ? {} : { key: { id: key.keyId, name: key.name } }),
      scope: limits,
    }
  }

  async createKey(caller: Caller, request: KeyCreateRequest): Promise<KeyCreateAnswer> {
    const { scope, actor, keyId, limits } = caller.principal
    this.#requireManager(caller)
    const named = request.agents
    const agents =
      named === undefined
        ? undefined
        : await Promise.all(named.map(async (agent) => (await this.#gate.open(caller, agent)).agentId))
    const { role, prefixes, cidrs, expiresAt } = request
    const narrowed = narrowScope(limits, { role, agents, prefixes, cidrs, expiresAt })
    const { database, secrets, clock } = this.#tools
    const key = makeApiKey('live', scope.tenantId)
    const row = await database.withTenant(scope, async (tx) => {
      // A key made by a key belongs to the same person.
      const maker = keyId === null ? undefined : await findApiKey(tx, keyId)
      const made: ApiKeyRow = {
        keyId: key.id,
        name: request.name,
        secretHash: hashApiKey(secrets.pepper, key.text),
        ...narrowed,
        createdBy: actor.kind === 'user' ? actor.id : (maker?.createdBy ?? null),
        createdAt: new Date(clock.now()),
        expiresAt: narrowed.expiresAt === null ? null : new Date(narrowed.expiresAt),
        revokedAt: null,
      }
      await insertApiKey(tx, made)
      await this.#administration.record(
        tx,
        caller,
        {
          action: 'key.create',
          details: { key: key.id, role: narrowed.role },
        },
        { keys: [apiKeyImageOf(made)] },
      )
      return made
    })
    return { ...answerOf(row), secret: key.text }
  }

  async listKeys(caller: Caller, query: ListQuery): Promise<ListOf<ApiKey>> {
    this.#requireManager(caller)
    const { limit, cursor = '' } = query
    const rows = await this.#tools.database.withTenant(caller.principal.scope, (tx) =>
      listApiKeys(tx, cursor, limit + 1),
    )
    const page = rows.slice(0, limit)
    return {
      data: page.map(answerOf),
      nextCursor: rows.length > limit ? (page.at(-1)?.keyId ?? null) : null,
    }
  }

  async revokeKey(caller: Caller, keyId: string): Promise<void> {
    const { scope } = caller.principal
    const own = caller.principal.keyId === keyId
    if (!own) this.#requireManager(caller)
    const { database, clock } = this.#tools
    await database.withTenant(scope, async (tx) => {
      const row = await findApiKey(tx, keyId)
      if (row === undefined) throw new AgentfsError('not_found', { detail: 'there is no such key' })
      // A key may always revoke itself; a token cut from it ends by itself, and may do no more than its limits say.
      if (own && !isKeyItself(caller.principal, row)) this.#requireManager(caller)
      const revokedAt = new Date(clock.now())
      if (!(await revokeApiKey(tx, keyId, revokedAt))) return
      const state = { keys: [apiKeyImageOf({ ...row, revokedAt })] }
      await this.#administration.record(tx, caller, { action: 'key.revoke', details: { key: keyId } }, state)
    })
    this.#credentials.forget(scope, keyId)
  }

  #requireManager(caller: Caller): void {
    const { limits } = caller.principal
    if (limits.role === 'manager' && limits.agents === null && limits.prefixes === null) return
    throw new AgentfsError('forbidden', { detail: 'this needs a manager of the whole tenant' })
  }
}

/** True where a caller is limited as its key is: a token has an end of its own, and whatever it was narrowed to. */
function isKeyItself({ limits }: Principal, row: ApiKeyRow): boolean {
  return isDeepStrictEqual(limits, limitsOf(row))
}

function answerOf(row: ApiKeyRow): ApiKey {
  return {
    id: row.keyId,
    name: row.name,
    scope: limitsOf(row),
    createdAt: row.createdAt.toISOString(),
    revokedAt: row.revokedAt?.toISOString() ?? null,
  }
}
