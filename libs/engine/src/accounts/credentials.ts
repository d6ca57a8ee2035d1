import { addressWithin, mintTenantScope, type Principal, type TenantScope } from '@agentfs/access'
import { AgentfsError, type KeyScope } from '@agentfs/contracts'
import { hashApiKey, parseApiKey } from '@agentfs/crypto'
import { type ApiKeyRow, type Database, findApiKey, findUser } from '@agentfs/storage'
import type { TokenClaims } from '../api/accounts-api.js'
import type { Clock } from '../ports.js'
import { RecentMap } from '../reads/recent-map.js'
import { principalOf } from './sessions.js'
import { sameBytes, type Secrets } from './secrets.js'

/** How long a key's row is believed: revocation shows within 1 s on every door [ACL-3]. */
const ROW_TTL_MS = 800

interface Remembered {
  readonly row: ApiKeyRow | undefined
  readonly readAtMs: number
}

/** What a key's text says and hashes to: never changes, whatever becomes of the key. */
interface ReadKey {
  readonly scope: TenantScope
  readonly id: string
  readonly hash: Uint8Array
}

/** Turns credentials into principals. */
export class Credentials {
  readonly #database: Database
  readonly #secrets: Secrets
  readonly #clock: Clock
  readonly #keys = new RecentMap<Remembered>(10_000)
  /** By the whole text, of keys that were right; whether one still holds is asked of its row each time. */
  readonly #read = new RecentMap<ReadKey>(10_000)

  constructor(database: Database, secrets: Secrets, clock: Clock) {
    this.#database = database
    this.#secrets = secrets
    this.#clock = clock
  }

  async verifyApiKey(text: string, address: string | null): Promise<Principal> {
    const known = this.#read.get(text)
    const read = known ?? this.#readKey(text)
    const { scope, id } = read
    const row = await this.#key(scope, id)
    if (row === undefined || !sameBytes(read.hash, row.secretHash)) {
      this.#read.delete(text)
      throw new AgentfsError('unauthenticated', { detail: 'this API key is not known here' })
    }
    this.#requireValid(row, address)
    if (known === undefined) this.#read.set(text, read)
    return { scope, actor: { kind: 'key', id }, keyId: id, limits: limitsOf(row) }
  }

  async verifyToken(claims: TokenClaims, address: string | null): Promise<Principal> {
    const scope = mintTenantScope(claims.tenantId)
    const { actor, keyId, limits } = claims
    if (keyId !== null) {
      const row = await this.#key(scope, keyId)
      if (row === undefined) throw new AgentfsError('key_revoked', { detail: 'the API key is gone' })
      this.#requireValid(row, address)
    } else {
      const user = await this.#database.withTenant(scope, (tx) => findUser(tx, actor.id))
      if (user === undefined) throw new AgentfsError('key_revoked', { detail: 'the person is gone' })
      if (principalOf(scope, user).limits.role === 'reader' && limits.role !== 'reader') {
        throw new AgentfsError('key_revoked', { detail: 'the role was taken back; sign in again' })
      }
    }
    if (limits.expiresAt !== null && Date.parse(limits.expiresAt) <= this.#clock.now()) {
      throw new AgentfsError('token_expired', { detail: 'the token has expired; get a new one' })
    }
    return { scope, actor, keyId, limits }
  }

  /** Forgets what is remembered of a key, at once in this process. */
  forget(scope: TenantScope, keyId: string): void {
    this.#keys.delete(`${scope.tenantId}/${keyId}`)
  }

  #readKey(text: string): ReadKey {
    const { tenantId, id } = parseApiKey(text)
    return { scope: mintTenantScope(tenantId), id, hash: hashApiKey(this.#secrets.pepper, text) }
  }

  #requireValid(row: ApiKeyRow, address: string | null): void {
    if (row.revokedAt !== null) throw new AgentfsError('key_revoked', { detail: 'this API key was revoked' })
    if (row.expiresAt !== null && row.expiresAt.getTime() <= this.#clock.now()) {
      throw new AgentfsError('token_expired', { detail: 'this API key has expired' })
    }
    const { cidrs } = row
    if (cidrs !== null && !(address !== null && cidrs.some((cidr) => addressWithin(cidr, address)))) {
      throw new AgentfsError('unauthenticated', { detail: 'this API key does not work from this address' })
    }
  }

  async #key(scope: TenantScope, keyId: string): Promise<ApiKeyRow | undefined> {
    const name = `${scope.tenantId}/${keyId}`
    const readAtMs = this.#clock.now()
    const known = this.#keys.get(name)
    if (known !== undefined && readAtMs - known.readAtMs < ROW_TTL_MS) return known.row
    const row = await this.#database.withTenant(scope, (tx) => findApiKey(tx, keyId))
    this.#keys.set(name, { row, readAtMs })
    return row
  }
}

/** What a key's row limits its bearer to. */
export function limitsOf(row: ApiKeyRow): KeyScope {
  const { role, agents, prefixes, cidrs } = row
  return { role, agents, prefixes, cidrs, expiresAt: row.expiresAt?.toISOString() ?? null }
}
