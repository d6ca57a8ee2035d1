import { createHmac } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import { AgentfsError, uuidv7 } from '@agentfs/contracts'
import type { TokenClaims } from '@agentfs/engine'
import { SignJWT } from 'jose'
import { signAccessToken } from './access-token.js'
import { makeTokenKey } from './token-keys.js'
import { TokenVerifier } from './token-strategy.js'

const key = makeTokenKey()
const verifier = new TokenVerifier([key])
const claims: TokenClaims = {
  tenantId: uuidv7(),
  actor: { kind: 'key', id: 'abc' },
  keyId: 'abc',
  limits: { role: 'writer', agents: [uuidv7()], prefixes: ['notes'], cidrs: null, expiresAt: null },
}
const inAMinute = new Date(Date.now() + 60_000).toISOString()

async function refusal(token: string): Promise<string> {
  return await verifier.verify(token).then(
    () => 'accepted',
    (error: unknown) => (error instanceof AgentfsError ? error.code : String(error)),
  )
}

describe('access tokens', () => {
  it('say again what was signed', async () => {
    const { claims: read, expiresAtMs } = await verifier.verify(await signAccessToken(key, claims, inAMinute))
    expect(read).toEqual(claims)
    expect(expiresAtMs).toBe(Math.floor(Date.parse(inAMinute) / 1_000) * 1_000)
  })

  it('end', async () => {
    const ended = await signAccessToken(key, claims, new Date(Date.now() - 1_000).toISOString())
    expect(await refusal(ended)).toBe('token_expired')
  })

  it('are believed from the local set only', async () => {
    const other = makeTokenKey()
    expect(await refusal(await signAccessToken(other, claims, inAMinute))).toBe('unauthenticated')
    expect(await refusal(await signAccessToken({ ...other, kid: key.kid }, claims, inAMinute))).toBe(
      'unauthenticated',
    )
    const both = new TokenVerifier([key, other])
    expect((await both.verify(await signAccessToken(other, claims, inAMinute))).claims).toEqual(claims)
  })

  it('are refused with another algorithm, none, another audience or type', async () => {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const payload = {
      tenant: claims.tenantId,
      actor: claims.actor,
      key: 'abc',
      limits: claims.limits,
      iss: 'agentfs',
      aud: 'agentfs',
      exp: Math.floor(Date.now() / 1_000) + 60,
    }
    const none = `${part({ alg: 'none', typ: 'at+jwt', kid: key.kid })}.${part(payload)}.`
    const body = `${part({ alg: 'HS256', typ: 'at+jwt', kid: key.kid })}.${part(payload)}`
    // The classic confusion: the public key taken for a shared secret.
    const secret = key.publicKey.export({ type: 'spki', format: 'pem' })
    const confused = `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`
    const sign = async (change: object, typ = 'at+jwt'): Promise<string> =>
      await new SignJWT({ ...payload, ...change })
        .setProtectedHeader({ alg: 'EdDSA', typ, kid: key.kid })
        .sign(key.privateKey)
    const { exp: _, ...endless } = payload
    const forEver = await new SignJWT(endless)
      .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: key.kid })
      .sign(key.privateKey)
    for (const token of [
      none,
      confused,
      forEver,
      await sign({ aud: 'other' }),
      await sign({ iss: 'other' }),
      await sign({}, 'JWT'),
      await sign({ limits: { role: 'god' } }),
    ]) {
      expect(await refusal(token)).toBe('unauthenticated')
    }
    expect(await refusal(await sign({}))).toBe('accepted')
  })

  it('are refused where they are no tokens at all', async () => {
    for (const token of ['x', '..', 'a.b.c', 'é.é.é', 'e30.e30.e30', 'x'.repeat(10_000)]) {
      expect(await refusal(token)).toBe('unauthenticated')
    }
  })
})
