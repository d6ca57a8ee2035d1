import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { FEED_PACE } from '../index.js'
import { FeedClient } from './feed-client.js'
import { type Account, type Home, startService, type TestService } from './service.js'

describe('the feed', () => {
  let service: TestService
  let account: Account
  let foreign: Account
  let home: Home
  const feeds: FeedClient[] = []
  beforeAll(async () => {
    service = await startService()
    account = await service.signup()
    foreign = await service.signup()
  })
  afterAll(() => service.close())
  beforeEach(async () => {
    home = await service.agent(account)
  })
  afterEach(() => {
    for (const feed of feeds.splice(0)) feed.socket.terminate()
  })

  const follow = (
    from = 'since=0&epoch=0',
    credential = account.apiKey.secret,
    path = home.path,
  ): FeedClient => {
    const feed = new FeedClient(`${service.url}${path}/feed?${from}`, {
      authorization: `Bearer ${credential}`,
    })
    feeds.push(feed)
    return feed
  }
  const write = async (name: string, content = name): Promise<number> =>
    (await account.http.put(`${home.path}/files/${name}`, content)).json<{ seq: number }>().seq
  const seqs = (feed: FeedClient): number[] => feed.of('commit').map(({ commit }) => commit.seq)

  it('[SY-3] says hello, catches up, and goes on live: every commit once, in order', async () => {
    for (let at = 0; at < 5; at++) await write(`before-${at}`)
    const feed = follow()
    await feed.until('the hello', () => feed.frames.length > 0)
    expect(feed.frames[0]).toMatchObject({ type: 'hello', protocol: 1, epoch: 0, head: expect.any(Number) })
    const writing = Promise.all(Array.from({ length: 40 }, (_, at) => write(`live-${at}`)))
    await writing
    const head = await write('last')
    await feed.until('all commits', () => seqs(feed).at(-1) === head)
    const all = seqs(feed)
    expect(all).toEqual(Array.from({ length: head }, (_, at) => at + 1))
    for (const { through, commit } of feed.of('commit')) expect(through).toBe(commit.seq)
  })

  it('[SY-3] resumes from an address', async () => {
    await write('one')
    const since = await write('two')
    const head = await write('three')
    const feed = follow(`since=${since}&epoch=0`)
    await feed.until('the commit', () => seqs(feed).length > 0)
    expect(seqs(feed)).toEqual([head])
  })

  it('[SY-3] carries small new contents inline, and leaves out large ones', async () => {
    const feed = follow()
    await write('small', 'small content')
    await write('large', 'x'.repeat(65_537))
    await feed.until('both commits', () =>
      feed.of('commit').some(({ commit }) => commit.delta.entries.some(({ name }) => name === 'large')),
    )
    const contents = feed
      .of('commit')
      .flatMap((frame) => frame.contents.map(({ data }) => Buffer.from(data).toString()))
    expect(contents).toEqual(['small content'])
  })

  it('[VIS-2] an announced commit arrives without waiting for a heartbeat', async () => {
    const calm = await startService({ feedPace: { ...FEED_PACE, heartbeatMs: 3_600_000 } })
    try {
      const owner = await calm.signup()
      const own = await calm.agent(owner)
      const feed = new FeedClient(`${calm.url}${own.path}/feed?since=0&epoch=0`, {
        authorization: `Bearer ${owner.apiKey.secret}`,
      })
      feeds.push(feed)
      await feed.until('the hello', () => feed.frames.length > 0)
      for (let at = 0; at < 10; at++) {
        const put = await owner.http.put(`${own.path}/files/timed-${at}`, 'x')
        await feed.until('the commit', () => seqs(feed).includes(put.json<{ seq: number }>().seq))
      }
      expect(feed.of('heartbeat')).toEqual([])
    } finally {
      await calm.close()
    }
  })

  it('[SY-3] beats every second with the head as the primary has it', async () => {
    const feed = follow()
    const head = await write('beat')
    await feed.until('three heartbeats', () => feed.of('heartbeat').length >= 3)
    expect(feed.of('heartbeat').at(-1)).toEqual({
      type: 'heartbeat',
      epoch: 0,
      head,
      stored: 0,
      grantsVersion: expect.any(Number),
    })
  })

  it('[SY-3] a lost announcement is repaired by the heartbeat', async () => {
    const quiet = await startService({
      bus: { publish: () => undefined, subscribe: () => () => undefined, close: async () => undefined },
    })
    try {
      const owner = await quiet.signup()
      const own = await quiet.agent(owner)
      const feed = new FeedClient(`${quiet.url}${own.path}/feed?since=0&epoch=0`, {
        authorization: `Bearer ${owner.apiKey.secret}`,
      })
      feeds.push(feed)
      await feed.until('the hello', () => feed.frames.length > 0)
      const put = await owner.http.put(`${own.path}/files/unannounced`, 'x')
      await feed.until('the commit', () => seqs(feed).includes(put.json<{ seq: number }>().seq), 3_000)
      expect(feed.closed).toBeNull()
    } finally {
      await quiet.close()
    }
  })

  it('[ACL-3] ends within a second of its key being revoked, and says why', async () => {
    const made = (await account.http.post('/v1/keys', { name: 'feed' })).json<{
      id: string
      secret: string
    }>()
    const { accessToken } = (await service.http(made.secret).post('/v1/auth/token', {})).json<{
      accessToken: string
    }>()
    const byKey = follow('since=0&epoch=0', made.secret)
    const byToken = follow('since=0&epoch=0', accessToken)
    for (const feed of [byKey, byToken]) await feed.until('the hello', () => feed.frames.length > 0)
    await account.http.delete(`/v1/keys/${made.id}`)
    for (const feed of [byKey, byToken]) {
      await feed.until('the end', () => feed.closed !== null, 1_000)
      expect(feed.of('revoked')).toEqual([{ type: 'revoked', code: 'key_revoked' }])
      expect(feed.closed?.code).toBe(4401)
    }
  })

  it('[SY-1] goes on past the end of its token when renewed, ends without', async () => {
    const token = async (ttlSeconds: number): Promise<string> =>
      (await account.http.post('/v1/auth/token', { ttlSeconds })).json<{ accessToken: string }>().accessToken
    const short = await token(10)
    const [renewed, left] = [follow('since=0&epoch=0', short), follow('since=0&epoch=0', short)]
    await renewed.until('the hello', () => renewed.frames.length > 0)
    renewed.renew(await token(300))
    await left.until('the end', () => left.closed !== null, 12_000)
    expect(left.of('revoked')).toEqual([{ type: 'revoked', code: 'token_expired' }])
    const head = await write('after')
    await renewed.until('the commit', () => seqs(renewed).includes(head))
  })

  it('is renewed by its own caller only, with a token only', async () => {
    const { accessToken } = (await foreign.http.post('/v1/auth/token', {})).json<{ accessToken: string }>()
    const [stolen, garbage] = [follow(), follow()]
    for (const feed of [stolen, garbage]) await feed.until('the hello', () => feed.frames.length > 0)
    stolen.renew(accessToken)
    garbage.socket.send(Buffer.from([0xc1]))
    await stolen.until('the end', () => stolen.closed !== null)
    await garbage.until('the end', () => garbage.closed !== null)
    expect(stolen.closed?.code).toBe(4401)
    expect(garbage.closed?.code).toBe(1003)
  })

  it('ends when its agent is deleted', async () => {
    const feed = follow()
    await feed.until('the hello', () => feed.frames.length > 0)
    await account.http.delete(home.path)
    await feed.until('the end', () => feed.closed !== null)
    expect(feed.closed?.code).toBe(4401)
  })

  it('refuses before the upgrade, as HTTP', async () => {
    const cases = [
      [follow('since=0&epoch=0', 'nonsense'), 401],
      [follow('since=x&epoch=0'), 400],
      [follow('since=0&epoch=5'), 410],
      [follow('since=0&epoch=0', account.apiKey.secret, '/v1/agents/nope'), 404],
      [follow('since=0&epoch=0', foreign.apiKey.secret, `/v1/agents/${home.id}`), 404],
    ] as const
    for (const [feed, status] of cases) {
      await feed.until('the refusal', () => feed.refused !== null)
      expect(feed.refused).toMatchObject({
        status,
        contentType: expect.stringContaining('application/problem+json'),
      })
    }
    expect((await account.http.get(`${home.path}/feed?since=0&epoch=0`)).status).toBe(400)
  })

  it('asks to resume elsewhere when the service stops', async () => {
    const stopping = await startService()
    const owner = await stopping.signup()
    const own = await stopping.agent(owner)
    const feed = new FeedClient(`${stopping.url}${own.path}/feed?since=0&epoch=0`, {
      authorization: `Bearer ${owner.apiKey.secret}`,
    })
    feeds.push(feed)
    await feed.until('the hello', () => feed.frames.length > 0)
    await stopping.close()
    await feed.until('the end', () => feed.closed !== null)
    expect(feed.closed?.code).toBe(1012)
  })
})
