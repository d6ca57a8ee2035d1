import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { listRoutes, pathOf, type Route, uuidv7 } from '@agentfs/contracts'
import type { Answer } from './http-client.js'
import { type Account, type Home, startService, type TestService } from './service.js'

/** Every route that names an agent; each is probed for another tenant's agent and for one that never was. */
const agentRoutes = listRoutes().filter((route) => route.path.includes('{agent}'))

const guardedRoutes = listRoutes().filter((route) => route.permission !== 'public')
const publicRoutes = listRoutes().filter((route) => route.permission === 'public')

/** A body that each route would take. */
const BODIES: Readonly<Record<string, unknown>> = {
  agentUpdate: { name: 'renamed' },
  fileCompose: { path: 'a.md', node: uuidv7(), size: 0, parts: [] },
  mkdir: { path: 'probe' },
  move: { from: 'a.md', to: 'b.md' },
  copy: { from: 'a.md', to: 'b.md' },
  restore: { path: 'a.md', version: 1 },
  flush: { until: 'acknowledged' },
  mirrorPut: { enabled: false },
  partsMissing: { parts: [uuidv7()] },
  contents: { reason: 'open', items: [{ node: uuidv7(), version: uuidv7() }] },
  push: {
    store: uuidv7(),
    number: 1,
    previous: null,
    operations: [{ op: 'rmdir', node: uuidv7(), parent: uuidv7(), name: 'x' }],
  },
}
const QUERIES: Readonly<Record<string, string>> = {
  fileAppend: '?op=append',
  fileStat: '?path=a.md',
  versions: '?path=a.md',
  changes: '?since=0&epoch=0',
  feed: '?since=0&epoch=0',
}

describe('isolation over all routes', () => {
  let service: TestService
  let account: Account
  let foreign: Account
  let home: Home
  let node: string
  beforeAll(async () => {
    service = await startService()
    account = await service.signup()
    foreign = await service.signup()
    home = await service.agent(account, 'victim')
    const put = await account.http.put(`${home.path}/files/a.md`, 'secret')
    node = put.json<{ node: string }>().node
  })
  afterAll(() => service.close())

  const probe = async (route: Route, agent: string): Promise<Answer> => {
    const target = pathOf(route, { agent, path: 'a.md', node, part: PART }) + (QUERIES[route.operation] ?? '')
    const json = BODIES[route.operation]
    const headers = { 'agentfs-epoch': '0', ...(route.operation === 'feed' ? UPGRADE : {}) }
    const body = json === undefined && route.body !== undefined ? { body: 'x' } : {}
    return await foreign.http.send(route.method, target, {
      ...(json === undefined ? body : { json }),
      headers,
    })
  }

  it.each(agentRoutes.map((route) => [route.operation, route] as const))(
    "[ISO-1] %s answers for another tenant's agent exactly as for a missing one",
    async (_, route) => {
      const missing = await probe(route, uuidv7())
      expect(missing.status).toBe(404)
      for (const agent of [home.id, home.name]) {
        const answer = await probe(route, agent)
        expect(answer.status).toBe(404)
        if (answer.body.length === 0) continue
        expect(withoutNames(answer, agent)).toEqual(withoutNames(missing, /[0-9a-f-]{36}/g))
      }
    },
  )

  it('[ISO-1] nothing was changed by the probes', async () => {
    expect((await account.http.get(`${home.path}/files/a.md`)).body.toString()).toBe('secret')
    expect((await account.http.get('/v1/agents/victim')).status).toBe(200)
    const tree = (await account.http.get(`${home.path}/tree?depth=64`)).json<{ data: { path: string }[] }>()
    expect(tree.data.map(({ path }) => path)).toEqual(['a.md'])
  })

  const unsigned = async (route: Route): Promise<Answer> =>
    await service
      .http()
      .send(route.method, pathOf(route, { agent: 'x', path: 'a.md', node, part: PART, id: 'x' }))

  it.each(guardedRoutes.map((route) => [route.operation, route] as const))(
    '%s asks for a credential',
    async (_, route) => {
      expect((await unsigned(route)).status).toBe(401)
    },
  )

  it.each(publicRoutes.map((route) => [route.operation, route] as const))(
    '%s is mounted',
    async (_, route) => {
      const answer = await unsigned(route)
      expect(answer.status).toBeLessThan(500)
      expect(answer.body.toString()).not.toContain('there is no such route')
    },
  )
})

const PART = uuidv7()
const UPGRADE = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
}

/** A problem but for its request id and for the name that the caller itself gave. */
function withoutNames(answer: Answer, name: string | RegExp): unknown {
  const { requestId: _, ...problem } = answer.json()
  return JSON.parse(
    JSON.stringify(problem)
      .replaceAll(name, 'NAME')
      .replaceAll(/[0-9a-f-]{36}/g, 'NAME'),
  )
}
