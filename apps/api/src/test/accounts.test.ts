import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { waitFor } from '@agentfs/testkit'
import { type Account, startService, type TestService } from './service.js'

describe('accounts', () => {
  let service: TestService
  let account: Account
  let foreign: Account
  beforeAll(async () => {
    service = await startService()
    account = await service.signup()
    foreign = await service.signup()
  })
  afterAll(() => service.close())

  it('signs up with a key that works at once, and never twice with one address', async () => {
    const me = (await account.http.get('/v1/whoami')).json<{
      tenant: { id: string }
      scope: { role: string }
    }>()
    expect(me.tenant.id).toBe(account.tenant.id)
    expect(me.scope.role).toBe('manager')
    const again = await service
      .http()
      .post('/v1/signup', { email: account.email.toUpperCase(), password: account.password, tenant: 'X' })
    expect([again.status, again.json()['code']]).toEqual([409, 'already_exists'])
  })

  it('names each fault of a request and echoes no secret', async () => {
    const answer = await service
      .http()
      .post('/v1/signup', { email: 'nobody', password: 'short-pw!', tenant: '' })
    expect(answer.status).toBe(400)
    const problem = answer.json<{ code: string; faults: { at: string }[] }>()
    expect(problem.code).toBe('invalid_request')
    expect(problem.faults.map(({ at }) => at)).toEqual(['body.email', 'body.password', 'body.tenant'])
    expect(answer.body.toString()).not.toContain('short-pw!')
  })

  it('takes a key by Authorization or x-api-key, and refuses two that differ', async () => {
    const { secret } = account.apiKey
    expect((await service.http().get('/v1/whoami', { 'x-api-key': secret })).status).toBe(200)
    expect(
      (await service.http(secret).get('/v1/whoami', { 'x-api-key': foreign.apiKey.secret })).status,
    ).toBe(400)
  })

  it('refuses malformed and foreign credentials alike, with a hint', async () => {
    const { secret } = account.apiKey
    const flipped = secret.slice(0, -1) + (secret.endsWith('0') ? '1' : '0')
    for (const bad of ['x', 'afs_live_', flipped, `${secret}x`, 'a.b.c', '..', 'é'.repeat(10)]) {
      const answer = await service.http().get('/v1/whoami', { authorization: `Bearer ${encodeURI(bad)}` })
      expect([bad, answer.status, answer.json()['code']]).toEqual([bad, 401, 'unauthenticated'])
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer/)
    }
    for (const authorization of ['Basic eDp5', 'Bearer', 'Bearer a b']) {
      expect((await service.http().get('/v1/whoami', { authorization })).status).toBe(401)
    }
    expect((await service.http().get('/v1/whoami')).json()['detail']).toMatch(/Authorization: Bearer/)
  })

  it('signs in with a cookie that scripts and other sites cannot use', async () => {
    const login = await service
      .http()
      .post('/v1/auth/login', { email: account.email, password: account.password })
    expect(login.status).toBe(200)
    const cookie = String(login.headers['set-cookie'])
    expect(cookie).toMatch(/HttpOnly; SameSite=Strict/)
    const session = { cookie: cookie.split(';')[0] ?? '' }
    expect(
      (await service.http().get('/v1/whoami', session)).json<{ user: { email: string } }>().user.email,
    ).toBe(account.email)
    const create = (headers: Record<string, string>): Promise<{ status: number }> =>
      service
        .http()
        .post('/v1/agents', { name: `s-${Math.random().toString(36).slice(2)}` }, { ...session, ...headers })
    expect((await create({})).status).toBe(403)
    expect((await create({ origin: 'https://evil.example' })).status).toBe(403)
    expect((await create({ 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect((await create({ 'sec-fetch-site': 'same-site', origin: service.url })).status).toBe(403)
    expect((await create({ origin: service.url })).status).toBe(201)
    expect((await create({ 'sec-fetch-site': 'same-origin' })).status).toBe(201)
    const logout = await service
      .http()
      .post('/v1/auth/logout', undefined, { ...session, origin: service.url })
    expect(logout.status).toBe(204)
    await waitFor(async () => (await service.http().get('/v1/whoami', session)).status === 401, {
      deadlineMs: 1_000,
      what: 'the session to end',
    })
  })

  it('[ISO-1] answers a wrong password and an unknown address alike', async () => {
    const login = async (email: string): Promise<unknown> => {
      const answer = await service.http().post('/v1/auth/login', { email, password: 'wrong password' })
      const { requestId: _, ...problem } = answer.json()
      return { status: answer.status, problem }
    }
    expect(await login(account.email)).toEqual(await login('nobody@example.com'))
  })

  it('exchanges a key for a token that is as narrow as asked, and never wider', async () => {
    const home = await service.agent(account)
    const exchange = await account.http.post('/v1/auth/token', {
      agent: home.name,
      prefixes: ['notes'],
      role: 'reader',
      ttlSeconds: 60,
    })
    expect(exchange.status).toBe(200)
    const { accessToken, expiresAt } = exchange.json<{ accessToken: string; expiresAt: string }>()
    expect(Date.parse(expiresAt) - Date.now()).toBeLessThanOrEqual(60_000)
    const narrow = service.http(accessToken)
    expect((await narrow.get('/v1/whoami')).json<{ scope: unknown }>().scope).toMatchObject({
      role: 'reader',
      agents: [home.id],
      prefixes: ['notes'],
    })
    expect((await narrow.put(`${home.path}/files/notes/a`, 'x')).status).toBe(403)
    expect((await narrow.post('/v1/auth/token', { role: 'manager' })).status).toBe(403)
    expect((await narrow.post('/v1/auth/token', { prefixes: [''] })).status).toBe(403)
    const other = await service.agent(account)
    expect((await narrow.get(`${other.path}/tree`)).status).toBe(404)
    expect((await account.http.post('/v1/auth/token', { ttlSeconds: 301 })).status).toBe(400)
  })

  it('[ACL-3] a revoked key stops working within a second, and so do its tokens', async () => {
    const made = await account.http.post('/v1/keys', { name: 'short-lived' })
    const { id, secret } = made.json<{ id: string; secret: string }>()
    const keyed = service.http(secret)
    const { accessToken } = (await keyed.post('/v1/auth/token', {})).json<{ accessToken: string }>()
    const tokened = service.http(accessToken)
    expect((await tokened.get('/v1/whoami')).status).toBe(200)
    expect((await account.http.delete(`/v1/keys/${id}`)).status).toBe(204)
    for (const client of [keyed, tokened]) {
      const refused = await waitFor(
        async () => {
          const answer = await client.get('/v1/whoami')
          return answer.status === 401 ? answer : null
        },
        { deadlineMs: 1_000, what: 'the key to be refused' },
      )
      expect(refused.json()['code']).toBe('key_revoked')
    }
    expect((await account.http.delete(`/v1/keys/${id}`)).status).toBeLessThan(500)
  })

  it('shows a secret once, and lists keys without it', async () => {
    const list = await account.http.get('/v1/keys?limit=1000')
    expect(list.status).toBe(200)
    expect(list.body.toString()).not.toContain('secret')
    expect(list.body.toString()).not.toContain(account.apiKey.secret)
  })

  it("[ISO-1] another tenant's key answers like a missing one", async () => {
    const own = await foreign.http.delete(`/v1/keys/${account.apiKey.id}`)
    const missing = await foreign.http.delete(`/v1/keys/${'0'.repeat(account.apiKey.id.length)}`)
    expect([own.status, missing.status]).toEqual([404, 404])
    expect((await account.http.get('/v1/whoami')).status).toBe(200)
  })

  it('a reader cannot manage keys or agents, and is told which role can', async () => {
    const made = await account.http.post('/v1/keys', { name: 'reader', role: 'reader' })
    const reader = service.http(made.json<{ secret: string }>().secret)
    const refused = await reader.post('/v1/keys', { name: 'more' })
    expect([refused.status, refused.json()['code']]).toEqual([403, 'forbidden'])
    expect(refused.json()['detail']).toMatch(/manager/)
    expect((await reader.post('/v1/agents', { name: 'more' })).status).toBe(403)
    expect((await reader.get('/v1/agents')).status).toBe(200)
  })

  it('[AUD-1] logs nothing that opens anything', () => {
    const log = service.logLines.join('\n')
    for (const secret of [account.apiKey.secret, account.password, account.email])
      expect(log).not.toContain(secret)
    expect(log).toContain('"operation":"signup"')
  })
})
