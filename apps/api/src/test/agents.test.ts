import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type Account, startService, type TestService } from './service.js'

interface AgentJson {
  readonly id: string
  readonly name: string
  readonly settings: object
}

describe('agents', () => {
  let service: TestService
  let account: Account
  let foreign: Account
  beforeAll(async () => {
    service = await startService()
    account = await service.signup()
    foreign = await service.signup()
  })
  afterAll(() => service.close())

  it('are made, found by id and name, renamed, and deleted', async () => {
    const made = await account.http.post('/v1/agents', { name: 'research' })
    expect(made.status).toBe(201)
    const { id } = made.json<AgentJson>()
    expect((await account.http.get('/v1/agents/research')).json<AgentJson>().id).toBe(id)
    const renamed = await account.http.send('PATCH', `/v1/agents/${id}`, {
      json: { name: 'scout', settings: { conflictPolicy: 'keep-both' } },
    })
    expect(renamed.json<AgentJson>()).toMatchObject({
      id,
      name: 'scout',
      settings: { conflictPolicy: 'keep-both' },
    })
    expect((await account.http.get('/v1/agents/research')).status).toBe(404)
    expect((await account.http.delete(`/v1/agents/${id}`)).status).toBe(204)
    expect((await account.http.get(`/v1/agents/${id}`)).status).toBe(404)
  })

  it('have one name each within a tenant, and any name in two', async () => {
    expect((await account.http.post('/v1/agents', { name: 'twin' })).status).toBe(201)
    const second = await account.http.post('/v1/agents', { name: 'twin' })
    expect([second.status, second.json()['code']]).toEqual([409, 'already_exists'])
    expect((await foreign.http.post('/v1/agents', { name: 'twin' })).status).toBe(201)
  })

  it('refuse a name that no path could carry', async () => {
    for (const name of ['', 'Upper', 'a/b', '.hidden', 'x'.repeat(64), 'ä', 'a b']) {
      expect((await account.http.post('/v1/agents', { name })).status).toBe(400)
    }
  })

  it('are listed page by page, each once', async () => {
    for (let at = 0; at < 5; at++) await service.agent(account, `page-${at}`)
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const page = await account.http.get(`/v1/agents?limit=2${query}`)
      expect(page.status).toBe(200)
      const { data, nextCursor } = page.json<{ data: AgentJson[]; nextCursor: string | null }>()
      expect(data.length).toBeLessThanOrEqual(2)
      seen.push(...data.map(({ name }) => name))
      cursor = nextCursor
    } while (cursor !== null)
    expect(new Set(seen).size).toBe(seen.length)
    for (let at = 0; at < 5; at++) expect(seen).toContain(`page-${at}`)
    for (const query of ['limit=0', 'limit=1001', 'limit=x', 'cursor=%00garbage']) {
      expect((await account.http.get(`/v1/agents?${query}`)).status).toBe(400)
    }
  })

  it("[ISO-1] another tenant's agent is not listed, by name or id", async () => {
    const home = await service.agent(account, 'mine-alone')
    expect((await foreign.http.get('/v1/agents')).body.toString()).not.toContain('mine-alone')
    expect((await foreign.http.get(`/v1/agents/${home.id}`)).status).toBe(404)
    expect((await foreign.http.get('/v1/agents/mine-alone')).status).toBe(404)
  })
})
