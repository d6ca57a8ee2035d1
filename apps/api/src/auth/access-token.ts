import { actor, keyScope, uuid } from '@agentfs/contracts'
import type { TokenClaims } from '@agentfs/engine'
import { SignJWT } from 'jose'
import { z } from 'zod'
import type { TokenKey } from './token-keys.js'

/** What every token of ours says of itself; a token for anything else is refused. */
export const TOKEN_MARKS = {
  issuer: 'agentfs',
  audience: 'agentfs',
  algorithm: 'EdDSA',
  type: 'at+jwt',
} as const

/** A token's payload: for whom, by whom, cut down to what, until when. */
export const tokenPayload = z
  .object({
    exp: z.int(),
    tenant: uuid,
    actor: actor.extend({ kind: z.enum(['user', 'key']) }),
    key: z.string().nullable(),
    limits: keyScope,
  })
  .transform(({ exp, tenant, actor: by, key, limits }): VerifiedToken => {
    return { claims: { tenantId: tenant, actor: by, keyId: key, limits }, expiresAtMs: exp * 1_000 }
  })

/** What a token says, once its signature and lifetime hold. */
export interface VerifiedToken {
  readonly claims: TokenClaims
  readonly expiresAtMs: number
}

/** A signed token. */
export async function signAccessToken(
  key: TokenKey,
  claims: TokenClaims,
  expiresAt: string,
): Promise<string> {
  const { tenantId, actor: by, keyId, limits } = claims
  return await new SignJWT({ tenant: tenantId, actor: by, key: keyId, limits })
    .setProtectedHeader({ alg: TOKEN_MARKS.algorithm, typ: TOKEN_MARKS.type, kid: key.kid })
    .setIssuer(TOKEN_MARKS.issuer)
    .setAudience(TOKEN_MARKS.audience)
    .setIssuedAt()
    .setExpirationTime(Math.floor(Date.parse(expiresAt) / 1_000))
    .sign(key.privateKey)
}
