import { randomBytes } from 'node:crypto'
import { mintTenantScope, type Principal, type TenantScope } from '@agentfs/access'
import {
  AgentfsError,
  isUuid,
  type KeyScope,
  type LoginAnswer,
  type LoginRequest,
  type UserRole,
  uuidv7,
} from '@agentfs/contracts'
import {
  type Database,
  findEmail,
  findSession,
  findTenant,
  findUser,
  insertSession,
  revokeSession,
  type UserRow,
} from '@agentfs/storage'
import type { SessionCookie } from '../api/accounts-api.js'
import type { Caller, RequestOrigin } from '../caller.js'
import type { KeyVault } from '../keys/key-vault.js'
import { openText } from '../keys/sealed-text.js'
import type { Clock } from '../ports.js'
import type { Administration } from '../streams/administration.js'
import { sameBytes, type Secrets } from './secrets.js'

const SESSION_MS = 12 * 60 * 60_000

/** What a person's role in the tenant lets them do on files. */
const FILE_ROLE = {
  owner: 'manager',
  admin: 'manager',
  member: 'writer',
  auditor: 'reader',
} as const satisfies Record<UserRole, KeyScope['role']>

/** People signing in and out. */
export class Sessions {
  readonly #database: Database
  readonly #vault: KeyVault
  readonly #secrets: Secrets
  readonly #administration: Administration
  readonly #clock: Clock

  constructor(
    database: Database,
    vault: KeyVault,
    secrets: Secrets,
    administration: Administration,
    clock: Clock,
  ) {
    this.#database = database
    this.#vault = vault
    this.#secrets = secrets
    this.#administration = administration
    this.#clock = clock
  }

  async login(
    origin: RequestOrigin,
    request: LoginRequest,
  ): Promise<{ answer: LoginAnswer; session: SessionCookie }> {
    const emailHash = this.#secrets.emailHash(request.email)
    const found = await this.#database.withoutTenant((tx) => findEmail(tx, emailHash))
    const scope = found === undefined ? undefined : mintTenantScope(found.tenantId)
    const person =
      scope === undefined || found === undefined ? undefined : await this.#person(scope, found.userId)
    const right = await this.#secrets.passwordMatches(person?.user.passwordHash, request.password)
    if (scope === undefined || person === undefined || !right) {
      if (scope !== undefined && person !== undefined) {
        const caller = callerOf(scope, person.user, origin)
        await this.#administration.note(caller, 'tenant', [{ action: 'auth.login_failed' }], 'denied')
      }
      throw new AgentfsError('unauthenticated', { detail: 'the e-mail address or the password is wrong' })
    }
    const { user, tenant, email } = person
    const caller = callerOf(scope, user, origin)
    const session = await this.#open(scope, user)
    await this.#administration.note(caller, 'tenant', [{ action: 'auth.login' }])
    const answer: LoginAnswer = {
      tenant: { id: scope.tenantId, name: tenant.name, createdAt: tenant.createdAt.toISOString() },
      user: { id: user.userId, email, role: user.role, createdAt: user.createdAt.toISOString() },
      expiresAt: session.expiresAt,
    }
    return { answer, session }
  }

  async logout(origin: RequestOrigin, token: string): Promise<void> {
    const parsed = parseSession(token)
    if (parsed === undefined) return
    const { scope, sessionId, secret } = parsed
    const session = await this.#database.withTenant(scope, (tx) => findSession(tx, sessionId))
    if (session === undefined || !sameBytes(session.secretHash, this.#secrets.sessionHash(secret))) return
    await this.#database.withTenant(scope, (tx) => revokeSession(tx, sessionId, new Date(this.#clock.now())))
    const caller = callerOf(scope, session, origin)
    await this.#administration.note(caller, 'tenant', [{ action: 'auth.logout' }])
  }

  async verify(token: string): Promise<Principal> {
    const parsed = parseSession(token)
    const session =
      parsed === undefined
        ? undefined
        : await this.#database.withTenant(parsed.scope, (tx) => findSession(tx, parsed.sessionId))
    if (
      parsed === undefined ||
      session === undefined ||
      !sameBytes(session.secretHash, this.#secrets.sessionHash(parsed.secret))
    ) {
      throw new AgentfsError('unauthenticated', { detail: 'sign in first' })
    }
    if (session.revokedAt !== null || session.expiresAt.getTime() <= this.#clock.now()) {
      throw new AgentfsError('token_expired', { detail: 'the session is over; sign in again' })
    }
    return principalOf(parsed.scope, session)
  }

  /** A person with the plain address, for answers to themselves. */
  async #person(scope: TenantScope, userId: string) {
    const found = await this.#database.withTenant(scope, async (tx) => {
      const [tenant, user] = await Promise.all([findTenant(tx), findUser(tx, userId)])
      if (tenant === undefined || user === undefined) return undefined
      return { tenant, user, keys: await this.#vault.load(tx, [user.subjectKeyId]) }
    })
    if (found === undefined) return undefined
    return { ...found, email: emailOf(scope, found.user, found.keys) }
  }

  async #open(scope: TenantScope, user: UserRow): Promise<SessionCookie> {
    const sessionId = uuidv7()
    const secret = randomBytes(32)
    const now = this.#clock.now()
    const expiresAt = new Date(now + SESSION_MS)
    const secretHash = this.#secrets.sessionHash(secret)
    await this.#database.withTenant(scope, (tx) =>
      insertSession(tx, { sessionId, userId: user.userId, secretHash, expiresAt }, new Date(now)),
    )
    const token = `${scope.tenantId}.${sessionId}.${secret.toString('base64url')}`
    return { token, expiresAt: expiresAt.toISOString() }
  }
}

/** A person's plain address; '' where the person was erased. */
export function emailOf(
  scope: TenantScope,
  user: UserRow,
  keys: Awaited<ReturnType<KeyVault['load']>>,
): string {
  const key = keys.get(user.subjectKeyId)
  return key === undefined ? '' : openText(scope.tenantId, key, user.userId, user.emailSealed)
}

/** What a person may do with files. */
export function principalOf(
  scope: TenantScope,
  user: { readonly userId: string; readonly role: UserRole },
): Principal {
  return {
    scope,
    actor: { kind: 'user', id: user.userId },
    keyId: null,
    limits: { role: FILE_ROLE[user.role], agents: null, prefixes: null, cidrs: null, expiresAt: null },
  }
}

function callerOf(
  scope: TenantScope,
  user: { readonly userId: string; readonly role: UserRole },
  origin: RequestOrigin,
): Caller {
  return { ...origin, principal: principalOf(scope, user) }
}

function parseSession(token: string) {
  const [tenantId = '', sessionId = '', secret = '', ...rest] = token.split('.')
  if (!isUuid(tenantId) || !isUuid(sessionId) || rest.length > 0) return undefined
  return { scope: mintTenantScope(tenantId), sessionId, secret: Buffer.from(secret, 'base64url') }
}
