import type { Principal } from '@agentfs/access'
import type {
  ApiKey,
  KeyCreateAnswer,
  KeyCreateRequest,
  KeyScope,
  ListOf,
  ListQuery,
  LoginAnswer,
  LoginRequest,
  SignupAnswer,
  SignupRequest,
  TokenRequest,
  WhoamiAnswer,
} from '@agentfs/contracts'
import type { Caller, RequestOrigin } from '../caller.js'

/** What an access token says; the API signs it as a JWT and hands it back to `verifyToken`. */
export interface TokenClaims {
  readonly tenantId: string
  readonly actor: { readonly kind: 'user' | 'key'; readonly id: string }
  readonly keyId: string | null
  readonly limits: KeyScope
}

/** A session as the cookie carries it. */
export interface SessionCookie {
  /** Opaque text, shown to nobody but the browser. */
  readonly token: string
  readonly expiresAt: string
}

/** People, sessions, API keys and tokens. */
export interface AccountsApi {
  /** Makes a tenant with its owner and first key, in one transaction; `already_exists` for a known address. */
  signup(origin: RequestOrigin, request: SignupRequest): Promise<SignupAnswer>
  /** `unauthenticated` for a wrong address and a wrong password alike, after the same work. */
  login(
    origin: RequestOrigin,
    request: LoginRequest,
  ): Promise<{ answer: LoginAnswer; session: SessionCookie }>
  /** Ends a session; unknown ones are fine. */
  logout(origin: RequestOrigin, sessionToken: string): Promise<void>
  /** The person behind a session cookie; `unauthenticated` where it is over. */
  verifySession(sessionToken: string): Promise<Principal>
  /** The key's principal; `unauthenticated`, `key_revoked` or `token_expired`. Revocation shows within 1 s [ACL-3]. */
  verifyApiKey(text: string, address: string | null): Promise<Principal>
  /** What a token for the caller may claim, cut to the request; `forbidden` for what would widen it. */
  issueToken(
    caller: Caller,
    request: TokenRequest,
  ): Promise<{ claims: TokenClaims; expiresAt: string; ttlSeconds: number }>
  /** The principal of claims whose signature and expiry the API has checked; the key behind them must still hold. */
  verifyToken(claims: TokenClaims, address: string | null): Promise<Principal>
  whoami(caller: Caller): Promise<WhoamiAnswer>
  /** Makes a key no wider than the caller's own; the secret is in this answer only. */
  createKey(caller: Caller, request: KeyCreateRequest): Promise<KeyCreateAnswer>
  listKeys(caller: Caller, query: ListQuery): Promise<ListOf<ApiKey>>
  revokeKey(caller: Caller, keyId: string): Promise<void>
}
