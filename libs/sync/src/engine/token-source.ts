import { AgentfsError, type TokenAnswer } from '@agentfs/contracts'

/** Exchanges the credential for an access token of one agent. */
export type TokenExchange = () => Promise<TokenAnswer>

const MARGIN_MS = 5_000
/** The longest life a service gives a token; what a clock that is wrong makes of it beyond that is not believed. */
const LIFE_MS_MAX = 300_000
const LIFE_MS_MIN = 10_000

const REFUSALS: ReadonlySet<string> = new Set(['key_revoked', 'unauthenticated', 'token_expired'])

/**
 * Access tokens made of a long-lived key, renewed at two thirds of their life [SY-1]. Renewal refused is remembered and
 * thrown to everyone; renewal impossible lets the old token be used until it ends.
 */
export class TokenSource {
  readonly #exchange: TokenExchange
  readonly #now: () => number
  #token: { readonly value: string; readonly renewAtMs: number; readonly endsAtMs: number } | undefined
  #pending: Promise<string> | undefined
  #refusal: AgentfsError | undefined

  constructor(exchange: TokenExchange, now: () => number = Date.now) {
    this.#exchange = exchange
    this.#now = now
  }

  /** A token that holds a while longer. */
  async current(): Promise<string> {
    if (this.#refusal !== undefined) throw this.#refusal
    const now = this.#now()
    const token = this.#token
    if (token !== undefined && now < token.renewAtMs) return token.value
    this.#pending ??= this.#renew().finally(() => (this.#pending = undefined))
    try {
      return await this.#pending
    } catch (error) {
      if (this.#refusal === undefined && token !== undefined && now < token.endsAtMs - MARGIN_MS)
        return token.value
      throw error
    }
  }

  /** Forgets the token, so that the next call asks for a new one. */
  invalidate(): void {
    this.#token = undefined
  }

  /** Milliseconds until the token should be renewed; null where there is none. */
  renewInMs(): number | null {
    return this.#token === undefined ? null : Math.max(0, this.#token.renewAtMs - this.#now())
  }

  async #renew(): Promise<string> {
    const asked = this.#now()
    try {
      const { accessToken, expiresAt } = await this.#exchange()
      const lifeMs = Date.parse(expiresAt) - asked
      // The end is told by the service's clock: behind it a token would be kept too long, ahead of it asked for without end.
      const livesMs = lifeMs < LIFE_MS_MIN || lifeMs > LIFE_MS_MAX ? LIFE_MS_MAX : lifeMs
      this.#token = { value: accessToken, renewAtMs: asked + (livesMs * 2) / 3, endsAtMs: asked + livesMs }
      return accessToken
    } catch (error) {
      if (!(error instanceof AgentfsError) || !REFUSALS.has(error.code)) throw error
      // What has expired here is the key itself, which nothing renews.
      this.#refusal =
        error.code === 'token_expired'
          ? new AgentfsError('unauthenticated', error.details, { cause: error })
          : error
      throw this.#refusal
    }
  }
}
