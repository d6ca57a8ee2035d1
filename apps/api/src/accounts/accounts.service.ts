import type {
  LoginAnswer,
  LoginRequest,
  SignupAnswer,
  SignupBody,
  TokenAnswer,
  TokenRequest,
} from '@agentfs/contracts'
import type { AccountsApi, Caller, RequestOrigin } from '@agentfs/engine'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { signAccessToken } from '../auth/access-token.js'
import { credentialOf } from '../auth/credential.js'
import { doorOf } from '../auth/door.js'
import { assertSameOrigin } from '../auth/same-origin.js'
import { clearedSessionCookie, sessionCookie } from '../auth/session-cookie.js'
import type { TokenKey } from '../auth/token-keys.js'
import type { RateLimiter } from '../http/rate-limits.js'
import type { SignupGate } from './signup-gate.js'

/** What stands between HTTP and the engine's accounts: cookies, token signing, the sign-up gate. */
export class AccountsService {
  readonly #accounts: AccountsApi
  readonly #tokenKey: TokenKey
  readonly #gate: SignupGate
  readonly #limiter: RateLimiter

  constructor(parts: { accounts: AccountsApi; tokenKey: TokenKey; gate: SignupGate; limiter: RateLimiter }) {
    this.#accounts = parts.accounts
    this.#tokenKey = parts.tokenKey
    this.#gate = parts.gate
    this.#limiter = parts.limiter
  }

  /** Makes a tenant, where sign-up is open to this caller. */
  async signup(request: FastifyRequest, { invite, ...body }: SignupBody): Promise<SignupAnswer> {
    this.#limiter.take('password', request.ip)
    return await this.#gate.admit(invite, () => this.#accounts.signup(originOf(request), body))
  }

  /** Signs a person in and hands the browser a session. */
  async login(request: FastifyRequest, reply: FastifyReply, body: LoginRequest): Promise<LoginAnswer> {
    // Neither one guesser nor many may try passwords at speed.
    const account = body.email.toLowerCase()
    this.#limiter.take('password', request.ip)
    this.#limiter.take('guess', `${request.ip}/${account}`)
    this.#limiter.take('account', account)
    const { answer, session } = await this.#accounts.login(originOf(request), body)
    reply.header('set-cookie', sessionCookie(session, request.protocol === 'https'))
    return answer
  }

  /** Ends the session of the cookie, where there is one. */
  async logout(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const credential = credentialOf(request.headers)
    if (credential?.kind === 'session') {
      assertSameOrigin(request)
      await this.#accounts.logout(originOf(request), credential.text)
    }
    reply.header('set-cookie', clearedSessionCookie(request.protocol === 'https'))
  }

  /** A short-lived token for the caller, as narrow as asked. */
  async exchange(caller: Caller, body: TokenRequest): Promise<TokenAnswer> {
    const { claims, expiresAt } = await this.#accounts.issueToken(caller, body)
    return { accessToken: await signAccessToken(this.#tokenKey, claims, expiresAt), expiresAt }
  }
}

function originOf(request: FastifyRequest): RequestOrigin {
  return { requestId: request.id, address: request.ip, door: doorOf(request.headers, null) }
}
