import type { Principal } from '@agentfs/access'
import type { AccountsApi } from '@agentfs/engine'
import type { VerifiedToken } from './access-token.js'
import type { Credential } from './credential.js'
import type { TokenVerifier } from './token-strategy.js'

/** Somebody whose credential held just now. */
export interface Authenticated {
  readonly principal: Principal
  /** When the credential itself ends, for those that end soon; a feed outlives it only by a new one. */
  readonly expiresAtMs: number | null
}

/** Finds out who shows a credential; the same way for requests and for feeds. */
export class Authenticator {
  readonly #accounts: AccountsApi
  readonly #tokens: TokenVerifier
  readonly #verified = new Map<string, VerifiedToken>()

  constructor(accounts: AccountsApi, tokens: TokenVerifier) {
    this.#accounts = accounts
    this.#tokens = tokens
  }

  /** `unauthenticated`, `key_revoked` or `token_expired` where the credential does not hold. */
  async authenticate(credential: Credential, address: string | null): Promise<Authenticated> {
    switch (credential.kind) {
      case 'key':
        return { principal: await this.#accounts.verifyApiKey(credential.text, address), expiresAtMs: null }
      case 'session':
        return { principal: await this.#accounts.verifySession(credential.text), expiresAtMs: null }
      case 'token': {
        const { claims, expiresAtMs } = await this.#verify(credential.text)
        return { principal: await this.#accounts.verifyToken(claims, address), expiresAtMs }
      }
    }
  }

  /**
   * Remembers what a signature was found good for, briefly. Whether the key behind a token still holds is asked of the
   * engine each time, so remembering delays no revocation.
   */
  async #verify(token: string): Promise<VerifiedToken> {
    const known = this.#verified.get(token)
    if (known !== undefined && known.expiresAtMs > Date.now()) return known
    const verified = await this.#tokens.verify(token)
    if (this.#verified.size >= REMEMBERED_MAX) this.#verified.clear()
    this.#verified.set(token, verified)
    return verified
  }
}

const REMEMBERED_MAX = 10_000
