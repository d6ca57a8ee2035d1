import type { KeyObject } from 'node:crypto'
import { AgentfsError } from '@agentfs/contracts'
import { errors, jwtVerify } from 'jose'
import passportJwt from 'passport-jwt'
import { TOKEN_MARKS, tokenPayload, type VerifiedToken } from './access-token.js'
import type { TokenKeySet } from './token-keys.js'

/**
 * Verifies access tokens with passport-jwt: it extracts the token, asks for the key and hands on what the token says.
 * It would check the signature with jsonwebtoken, which knows no EdDSA (9.0.3: RS*, PS*, ES*, HS*), so its verifier,
 * a static of the strategy, is ours: jose, with the algorithm, issuer, audience and type spelt out.
 */
export class TokenVerifier {
  readonly #keys: ReadonlyMap<string, KeyObject>

  constructor(keys: TokenKeySet) {
    this.#keys = new Map(keys.map((key) => [key.kid, key.publicKey]))
  }

  /** What a token says, once signature, lifetime and form hold; `token_expired` or `unauthenticated` else. */
  async verify(token: string): Promise<VerifiedToken> {
    const { promise, resolve, reject } = Promise.withResolvers<VerifiedToken>()
    // What passport's middleware does for each request: a strategy with the outcomes to call.
    const strategy = Object.assign(this.#strategy(), {
      success: (verified: VerifiedToken) => resolve(verified),
      fail: (reason: unknown) => reject(refusal(reason)),
      error: (reason: unknown) => reject(refusal(reason)),
    })
    strategy.authenticate(bearing(token))
    return await promise
  }

  #strategy(): passportJwt.Strategy {
    return new passportJwt.Strategy(
      {
        jwtFromRequest: passportJwt.ExtractJwt.fromAuthHeaderAsBearerToken(),
        secretOrKeyProvider: (_request, token: string, done) => {
          const key = this.#keys.get(keyIdOf(token))
          if (key === undefined) done(new errors.JWKSNoMatchingKey())
          else done(null, keyForTypes(key))
        },
      },
      (payload: unknown, done) => {
        const parsed = tokenPayload.safeParse(payload)
        if (parsed.success) done(null, parsed.data)
        else done(null, false, parsed.error)
      },
    )
  }
}

type VerifierCallback = (error: unknown, payload?: unknown) => void

function verifyEdDsa(token: string, key: KeyObject, _options: unknown, callback: VerifierCallback): void {
  jwtVerify(token, key, {
    algorithms: [TOKEN_MARKS.algorithm],
    issuer: TOKEN_MARKS.issuer,
    audience: TOKEN_MARKS.audience,
    typ: TOKEN_MARKS.type,
    requiredClaims: ['exp'],
  }).then(
    ({ payload }) => callback(null, payload),
    (error: unknown) => callback(error),
  )
}
Object.assign(passportJwt.Strategy, { JwtVerifier: verifyEdDsa })

/** The `kid` that a token's header claims; the signature is still to be checked. */
function keyIdOf(token: string): string {
  try {
    const header: unknown = JSON.parse(
      Buffer.from(token.split('.', 1)[0] ?? '', 'base64url').toString('utf8'),
    )
    return typeof header === 'object' && header !== null && 'kid' in header ? String(header.kid) : ''
  } catch {
    return ''
  }
}

/** Of Express's request the strategy looks at one header; feeds renew their tokens without a request. */
function bearing(token: string): Parameters<passportJwt.Strategy['authenticate']>[0] {
  const request: unknown = { headers: { authorization: `Bearer ${token}` } }
  return request as Parameters<passportJwt.Strategy['authenticate']>[0]
}

/** The types of passport-jwt know strings and buffers only; it hands the key on to the verifier untouched. */
function keyForTypes(key: KeyObject): string {
  // oxlint-disable-next-line agentfs/no-double-cast -- the declared type is narrower than what passport-jwt takes
  return key as unknown as string
}

function refusal(reason: unknown): AgentfsError {
  if (reason instanceof errors.JWTExpired) return new AgentfsError('token_expired', {}, { cause: reason })
  return new AgentfsError(
    'unauthenticated',
    { detail: 'the access token is not valid here' },
    { cause: reason },
  )
}
