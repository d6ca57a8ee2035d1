import { waitFor } from '@agentfs/testkit'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { FeedClient } from './feed-client.js'
import type { HttpClient } from './http-client.js'
import { type Account, startService, type TestService } from './service.js'

describe('DELETE /v1/tenant', () => {
  let service: TestService
  let account: Account
  let bystander: Account
  beforeAll(async () => {
    service = await startService()
    account = await service.signup()
    bystander = await service.signup()
  })
  afterAll(() => service.close())

  it('400 without the name, or with another: nothing is erased', async () => {
    for (const query of ['', '?name=', '?name=test', '?name=Test%20'])
      expect((await account.http.delete(`/v1/tenant${query}`)).status).toBe(400)
    expect((await account.http.get('/v1/whoami')).status).toBe(200)
  })

  it('403 for a key or a token that is narrower than its owner', async () => {
    const made = await account.http.post('/v1/keys', { name: 'narrow', role: 'writer' })
    const token = await account.http.post('/v1/auth/token', { prefixes: ['notes'] })
    const narrow = [made.json<{ secret: string }>().secret, token.json<{ accessToken: string }>().accessToken]
    for (const credential of narrow) {
      const refused = await service.http(credential).delete('/v1/tenant?name=Test')
      expect([refused.status, refused.json()['code']]).toEqual([403, 'forbidden'])
    }
  })

  it('[ACL-3] [ENC-3] 204: every credential is refused and every feed ends within a second; other tenants stay', async () => {
    const home = await service.agent(account)
    const theirs = await service.agent(bystander)
    await account.http.put(`${home.path}/files/a.md`, 'secret')
    await bystander.http.put(`${theirs.path}/files/a.md`, 'theirs')
    const feedOf = async ({ path }: typeof home, { apiKey }: Account): Promise<FeedClient> => {
      const feed = new FeedClient(`${service.url}${path}/feed?since=0&epoch=0`, {
        authorization: `Bearer ${apiKey.secret}`,
      })
      await feed.until('the hello', () => feed.frames.length > 0)
      return feed
    }
    const [feed, other] = [await feedOf(home, account), await feedOf(theirs, bystander)]
    const key = await account.http.post('/v1/keys', { name: 'other' })
    const token = await account.http.post('/v1/auth/token', {})
    const credentials: HttpClient[] = [
      account.http,
      service.http(key.json<{ secret: string }>().secret),
      service.http(token.json<{ accessToken: string }>().accessToken),
    ]
    for (const http of credentials) expect((await http.get(`${home.path}/files/a.md`)).status).toBe(200)

    expect((await account.http.delete('/v1/tenant?name=Test')).status).toBe(204)
    for (const http of credentials) {
      // What was remembered of the key opens nothing either.
      expect((await http.get(`${home.path}/files/a.md`)).status).toBeGreaterThanOrEqual(401)
      const refused = await waitFor(
        async () => {
          const answer = await http.get('/v1/whoami')
          return answer.status === 401 ? answer : undefined
        },
        { deadlineMs: 1_000, what: 'the credential to be refused' },
      )
      expect(refused.json()['code']).toBe('key_revoked')
    }
    await feed.until('the end', () => feed.closed !== null, 2_000)
    expect(feed.closed?.code).toBe(4401)
    expect((await bystander.http.get(`${theirs.path}/files/a.md`)).body.toString()).toBe('theirs')
    expect(other.closed).toBeNull()
    other.socket.close()

    const { email, password } = account
    expect((await service.http().post('/v1/auth/login', { email, password })).status).toBe(401)
    const again = await service.http().post('/v1/signup', { email, password, tenant: 'Test' })
    expect(again.status).toBe(201)
  })
})
