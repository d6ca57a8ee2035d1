import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { uuidv7 } from '@agentfs/contracts'
import { type Account, type Home, startService, type TestService } from './service.js'

interface StatJson {
  readonly node: string
  readonly path: string
  readonly kind: string
  readonly version: string
  readonly number: number
}
interface Page {
  readonly data: StatJson[]
  readonly nextCursor: string | null
}

describe('the tree and its history', () => {
  let service: TestService
  let account: Account
  let foreign: Account
  let home: Home
  beforeAll(async () => {
    service = await startService()
    account = await service.signup()
    foreign = await service.signup()
    home = await service.agent(account)
    for (const path of ['a.md', 'notes/b.md', 'notes/deep/c.md', 'notes/deep/d.txt']) {
      await account.http.put(`${home.path}/files/${path}?parents=true`, `content of ${path}`)
    }
  })
  afterAll(() => service.close())

  const paths = async (query: string): Promise<string[]> =>
    (await account.http.get(`${home.path}/tree?${query}`)).json<Page>().data.map(({ path }) => path)

  it('is listed by depth, from a path, by glob, page by page', async () => {
    expect(await paths('')).toEqual(['a.md', 'notes'])
    expect(await paths('depth=2')).toEqual(['a.md', 'notes', 'notes/b.md', 'notes/deep'])
    expect(await paths('path=notes&depth=64')).toEqual([
      'notes/b.md',
      'notes/deep',
      'notes/deep/c.md',
      'notes/deep/d.txt',
    ])
    expect(await paths(`glob=${encodeURIComponent('**/*.md')}`)).toEqual([
      'a.md',
      'notes/b.md',
      'notes/deep/c.md',
    ])
    expect(await paths(`glob=${encodeURIComponent('*.md')}`)).toEqual(['a.md'])
    const seen: string[] = []
    let cursor = ''
    do {
      const page = (await account.http.get(`${home.path}/tree?depth=64&limit=2${cursor}`)).json<Page>()
      seen.push(...page.data.map(({ path }) => path))
      cursor = page.nextCursor === null ? '' : `&cursor=${encodeURIComponent(page.nextCursor)}`
    } while (cursor !== '')
    expect(seen).toEqual(await paths('depth=64'))
    expect((await account.http.get(`${home.path}/tree?path=a.md`)).json<{ code: string }>().code).toBe(
      'not_a_directory',
    )
    expect((await account.http.get(`${home.path}/tree?path=nope`)).status).toBe(404)
  })

  it('says what is known of a path and of a node, and reads by node id', async () => {
    const byPath = await account.http.get(`${home.path}/stat?path=notes/b.md`)
    const stat = byPath.json<StatJson>()
    expect(stat).toMatchObject({
      path: 'notes/b.md',
      kind: 'file',
      number: 1,
      size: 21,
      contentType: expect.stringContaining('text/markdown'),
    })
    expect(byPath.headers.etag).toBe(`"${stat.version}"`)
    expect((await account.http.get(`${home.path}/nodes/${stat.node}`)).json<StatJson>()).toEqual(stat)
    const content = await account.http.get(`${home.path}/nodes/${stat.node}/content`, { range: 'bytes=0-6' })
    expect([content.status, content.body.toString()]).toEqual([206, 'content'])
    expect((await account.http.get(`${home.path}/stat`)).json<StatJson>()).toMatchObject({
      node: home.root,
      kind: 'directory',
      path: '',
    })
    expect((await account.http.get(`${home.path}/nodes/${uuidv7()}`)).status).toBe(404)
  })

  it('makes directories, once', async () => {
    expect((await account.http.post(`${home.path}/mkdir`, { path: 'made' })).status).toBe(201)
    const again = await account.http.post(`${home.path}/mkdir`, { path: 'made' })
    expect([again.status, again.json()['code']]).toEqual([409, 'already_exists'])
    expect((await account.http.post(`${home.path}/mkdir`, { path: 'x/y/z' })).status).toBe(404)
    expect((await account.http.post(`${home.path}/mkdir`, { path: 'x/y/z', parents: true })).status).toBe(201)
    expect(
      (await account.http.post(`${home.path}/mkdir`, { path: 'x/y/z', parents: true })).status,
    ).toBeLessThan(300)
  })

  it('moves with id and history, and copies without', async () => {
    await account.http.put(`${home.path}/files/from.md`, 'one')
    await account.http.put(`${home.path}/files/from.md`, 'two')
    const { node } = (await account.http.get(`${home.path}/stat?path=from.md`)).json<StatJson>()
    const moved = await account.http.post(`${home.path}/move`, { from: 'from.md', to: 'made/to.md' })
    expect([moved.status, moved.json<StatJson>().node]).toEqual([200, node])
    expect((await account.http.get(`${home.path}/files/from.md`)).status).toBe(404)
    expect(
      (await account.http.get(`${home.path}/versions?path=made/to.md`))
        .json<Page>()
        .data.map(({ number }) => number),
    ).toEqual([2, 1])
    const copied = await account.http.post(`${home.path}/copy`, { from: 'made/to.md', to: 'copy.md' })
    expect([copied.status, copied.json<StatJson>().number]).toEqual([201, 1])
    expect(copied.json<StatJson>().node).not.toBe(node)
    expect((await account.http.get(`${home.path}/files/copy.md`)).body.toString()).toBe('two')
    const taken = await account.http.post(`${home.path}/move`, { from: 'copy.md', to: 'made/to.md' })
    expect([taken.status, taken.json()['code']]).toEqual([409, 'already_exists'])
    expect(
      (await account.http.post(`${home.path}/move`, { from: 'copy.md', to: 'made/to.md', overwrite: true }))
        .status,
    ).toBe(200)
    expect(
      (await account.http.post(`${home.path}/move`, { from: 'notes', to: 'notes/deep/inside' })).status,
    ).toBeGreaterThanOrEqual(400)
  })

  it('brings back an old version as a new one, and a deleted file', async () => {
    const file = `${home.path}/files/history.md`
    await account.http.put(file, 'one')
    await account.http.put(file, 'two')
    const restored = await account.http.post(`${home.path}/restore`, { path: 'history.md', version: 1 })
    expect([restored.status, restored.json<StatJson>().number]).toEqual([200, 3])
    expect((await account.http.get(file)).body.toString()).toBe('one')
    const alive = new Date().toISOString()
    await account.http.delete(file)
    expect((await account.http.post(`${home.path}/restore`, { path: 'history.md', at: alive })).status).toBe(
      200,
    )
    expect((await account.http.get(file)).body.toString()).toBe('one')
    expect((await account.http.post(`${home.path}/restore`, { path: 'history.md' })).status).toBe(400)
  })

  it('gives versions and their bytes by node id, of a deleted file too while it can be restored', async () => {
    const file = `${home.path}/files/gone.md`
    const first = (await account.http.put(file, 'one')).json<StatJson>()
    await account.http.put(file, 'two')
    await account.http.delete(file)
    const node = `${home.path}/nodes/${first.node}`
    const listed = await account.http.get(`${node}/versions`)
    expect(listed.json<Page>().data.map(({ number }) => number)).toEqual([2, 1])
    expect((await account.http.get(`${node}/content?version=${first.version}`)).body.toString()).toBe('one')
    // Without a version it is the file that is asked for, and that is gone.
    expect((await account.http.get(`${node}/content`)).status).toBe(404)
    expect((await account.http.get(node)).status).toBe(404)
    expect((await account.http.get(`${home.path}/nodes/${home.root}/versions`)).json()['code']).toBe(
      'is_directory',
    )
    const key = await account.http.post('/v1/keys', { name: 'some', prefixes: ['notes'] })
    const limited = service.http(key.json<{ secret: string }>().secret)
    expect((await limited.get(`${node}/versions`)).status).toBe(404)
    expect((await limited.get(`${node}/content?version=${first.version}`)).status).toBe(404)
  })

  it('waits for acknowledged at once, and says so where stored takes too long', async () => {
    const flushed = await account.http.post(`${home.path}/flush`, { until: 'acknowledged' })
    expect([flushed.status, flushed.json()['state']]).toEqual([200, 'acknowledged'])
    // Nothing packs in this service.
    const late = await account.http.post(`${home.path}/flush`, { until: 'stored', timeoutMs: 50 })
    expect([late.status, late.json()['code']]).toEqual([504, 'timeout'])
  })

  it("[ISO-1] another tenant's nodes answer like missing ones", async () => {
    const { node } = (await account.http.get(`${home.path}/stat?path=a.md`)).json<StatJson>()
    const own = await service.agent(foreign)
    expect((await foreign.http.get(`/v1/agents/${home.id}/nodes/${node}`)).status).toBe(404)
    expect((await foreign.http.get(`${own.path}/nodes/${node}/content`)).status).toBe(404)
    expect((await foreign.http.get(`${own.path}/nodes/${node}/versions`)).status).toBe(404)
    expect((await foreign.http.get(`/v1/agents/${home.id}/nodes/${node}/versions`)).status).toBe(404)
  })
})
