import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type Account, type Home, startService, type TestService } from './service.js'

describe('Idempotency-Key', () => {
  let service: TestService
  let account: Account
  let foreign: Account
  let home: Home
  beforeAll(async () => {
    service = await startService()
    account = await service.signup()
    foreign = await service.signup()
    home = await service.agent(account)
  })
  afterAll(() => service.close())

  it('carries a request out once and gives the same answer again, secret included', async () => {
    const key = { 'idempotency-key': 'make-a-key' }
    const first = await account.http.post('/v1/keys', { name: 'once' }, key)
    const second = await account.http.post('/v1/keys', { name: 'once' }, key)
    expect(first.status).toBe(201)
    expect(second.status).toBe(201)
    expect(second.json()).toEqual(first.json())
    expect(second.headers['idempotency-replayed']).toBe('true')
    const keys = (await account.http.get('/v1/keys?limit=1000')).json<{ data: { name: string }[] }>().data
    expect(keys.filter(({ name }) => name === 'once')).toHaveLength(1)
  })

  it('refuses another request under the same key', async () => {
    const key = { 'idempotency-key': 'reused' }
    expect((await account.http.post(`${home.path}/mkdir`, { path: 'one' }, key)).status).toBe(201)
    for (const answer of [
      await account.http.post(`${home.path}/mkdir`, { path: 'two' }, key),
      await account.http.post('/v1/agents', { name: 'one' }, key),
    ]) {
      expect([answer.status, answer.json()['code']]).toEqual([422, 'unprocessable'])
    }
  })

  it('lets a failed request be sent again', async () => {
    const key = { 'idempotency-key': 'again' }
    expect((await account.http.post(`${home.path}/mkdir`, { path: 'later/x' }, key)).status).toBe(404)
    await account.http.post(`${home.path}/mkdir`, { path: 'later' })
    expect((await account.http.post(`${home.path}/mkdir`, { path: 'later/x' }, key)).status).toBe(201)
  })

  it('[ISO-1] is a name within one caller: another tenant may use the same', async () => {
    const key = { 'idempotency-key': 'shared-name' }
    const own = await account.http.post('/v1/agents', { name: 'same' }, key)
    const other = await foreign.http.post('/v1/agents', { name: 'same' }, key)
    expect([own.status, other.status]).toEqual([201, 201])
    expect(other.json()['id']).not.toBe(own.json()['id'])
  })

  it('carries out racing twins once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () =>
        account.http.post('/v1/agents', { name: 'raced' }, { 'idempotency-key': 'race' }),
      ),
    )
    const ids = new Set(answers.filter(({ status }) => status === 201).map((answer) => answer.json()['id']))
    expect(ids.size).toBe(1)
    for (const { status } of answers) expect([201, 429]).toContain(status)
  })

  it('is 1 to 255 printable characters', async () => {
    for (const key of ['', 'x'.repeat(256), 'a b']) {
      expect(
        (await account.http.post('/v1/agents', { name: 'never' }, { 'idempotency-key': key })).status,
      ).toBe(400)
    }
  })
})
