import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { waitFor } from '@agentfs/testkit'
import { type Account, type Home, startService, type TestService } from './service.js'

interface Event {
  readonly action: string
  readonly path: string | null
  readonly outcome: string
  readonly requestId: string
  readonly keyId: string | null
  readonly door: string
}

describe('audit', () => {
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

  const events = async (query = ''): Promise<Event[]> =>
    (await account.http.get(`/v1/audit/events?${query}`)).json<{ data: Event[] }>().data

  const eventually = async (query: string, matches: (event: Event) => boolean): Promise<Event> =>
    await waitFor(async () => (await events(query)).find(matches), { deadlineMs: 2_000, what: 'the record' })

  it('[AUD-2] a mutation is there with its answer', async () => {
    await account.http.put(`${home.path}/files/a.md`, 'x', {
      'x-request-id': 'the-write',
      'agentfs-door': 'cli',
    })
    const [event, made] = await events(`agent=${home.name}&path=a.md`)
    expect(made).toMatchObject({ action: 'file.create', requestId: 'the-write' })
    expect(event).toMatchObject({
      action: 'file.write',
      outcome: 'allowed',
      requestId: 'the-write',
      keyId: account.apiKey.id,
      door: 'cli',
    })
  })

  it('[AUD-1] reads, sign-ins and denials are there within a second or so', async () => {
    await account.http.get(`${home.path}/files/a.md`, { 'x-request-id': 'the-read' })
    const read = await eventually('action=file.read', ({ requestId }) => requestId === 'the-read')
    expect(read).toMatchObject({ path: 'a.md', outcome: 'allowed' })
    await service
      .http()
      .post(
        '/v1/auth/login',
        { email: account.email, password: account.password },
        { 'x-request-id': 'the-login' },
      )
    await eventually('action=auth.login', ({ requestId }) => requestId === 'the-login')
    const made = (await account.http.post('/v1/keys', { name: 'reader', role: 'reader' })).json<{
      secret: string
    }>()
    await service.http(made.secret).put(`${home.path}/files/a.md`, 'y', { 'x-request-id': 'the-denial' })
    await eventually('outcome=denied', ({ requestId }) => requestId === 'the-denial')
  })

  it('is filtered by actor, agent, action, path, time and outcome, newest first, page by page', async () => {
    const all = await events('limit=1000')
    expect(all.length).toBeGreaterThan(4)
    const first = (await account.http.get('/v1/audit/events?limit=2')).json<{
      data: Event[]
      nextCursor: string
    }>()
    const second = (
      await account.http.get(`/v1/audit/events?limit=2&cursor=${encodeURIComponent(first.nextCursor)}`)
    ).json<{ data: Event[] }>()
    expect(new Set([...first.data, ...second.data].map((event) => JSON.stringify(event))).size).toBe(4)
    expect((await events('action=agent.create')).every(({ action }) => action === 'agent.create')).toBe(true)
    expect(await events('to=2001-01-01T00:00:00Z')).toEqual([])
    expect((await account.http.get('/v1/audit/events?action=nonsense')).status).toBe(400)
  })

  it('[AUD-3] is exported whole, a line for each record; the export is recorded itself', async () => {
    const answer = await account.http.get('/v1/audit/export')
    expect(answer.headers['content-type']).toBe('application/x-ndjson')
    const lines = answer.body.toString().trimEnd().split('\n')
    const records = lines.map((line) => JSON.parse(line) as { type: string; record: { stream: string } })
    expect(records.every(({ type }) => type === 'record')).toBe(true)
    expect(records.some(({ record }) => record.stream === home.id)).toBe(true)
    await eventually('action=audit.export', ({ outcome }) => outcome === 'allowed')
    const { data } = (await account.http.get('/v1/audit/checkpoints')).json<{ data: unknown[] }>()
    expect(data).toEqual([])
    const reader = (await account.http.post('/v1/keys', { name: 'reader', role: 'reader' })).json<{
      secret: string
    }>()
    expect((await service.http(reader.secret).get('/v1/audit/export')).status).toBe(403)
    expect((await service.http(reader.secret).get('/v1/audit/checkpoints')).status).toBe(403)
  })

  it('[ISO-1] shows nothing of another tenant', async () => {
    const text = (await foreign.http.get('/v1/audit/events?limit=1000')).body.toString()
    expect(text).not.toContain(home.id)
    expect((await foreign.http.get(`/v1/audit/events?agent=${home.id}`)).status).toBe(404)
  })
})
