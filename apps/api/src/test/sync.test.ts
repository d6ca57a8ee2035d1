import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import {
  changesPage,
  contentsAnswer,
  pushAnswer,
  type PushAnswer,
  type PushRequest,
  snapshotPage,
  uuidv7,
} from '@agentfs/contracts'
import { decodeWire, encodeWire, type WireFormat } from '../http/wire.js'
import type { Answer } from './http-client.js'
import { type Account, type Home, startService, type TestService } from './service.js'

const TYPES = { msgpack: 'application/msgpack', json: 'application/json' } as const

describe('sync', () => {
  let service: TestService
  let account: Account
  let foreign: Account
  let home: Home
  beforeAll(async () => {
    service = await startService()
    account = await service.signup()
    foreign = await service.signup()
  })
  afterAll(() => service.close())

  const push = async (body: Buffer, format: WireFormat = 'msgpack', epoch = '0'): Promise<Answer> =>
    await account.http.send('POST', `${home.path}/sync`, {
      body,
      headers: { 'content-type': TYPES[format], 'agentfs-epoch': epoch, 'agentfs-protocol': '1' },
    })

  const creation = (
    name: string,
    data: Uint8Array<ArrayBuffer>,
    more: Partial<PushRequest> = {},
  ): PushRequest => {
    const node = uuidv7()
    return {
      store: uuidv7(),
      number: 1,
      previous: null,
      operations: [
        { op: 'create', node, kind: 'file', parent: home.root, name },
        {
          op: 'write',
          node,
          base: null,
          version: uuidv7(),
          size: data.length,
          extents: [{ offset: 0, data }],
        },
      ],
      ...more,
    }
  }

  it.each(['msgpack', 'json'] as const)(
    '[SY-6] a push commits as one, in %s, and its digest is that of its bytes',
    async (format) => {
      home = await service.agent(account)
      const data = randomBytes(300)
      const body = encodeWire(format, creation('pushed.bin', data))
      const answer = await push(body, format)
      expect(answer.status).toBe(200)
      expect(answer.headers['content-type']).toContain(TYPES[format])
      expect(answer.headers['agentfs-protocol']).toBe('1')
      const pushed: PushAnswer = pushAnswer.parse(decodeWire(format, answer.body))
      expect(pushed.digest).toBe(createHash('sha256').update(body).digest('hex'))
      expect(pushed.results.map(({ status }) => status)).toEqual(['applied', 'applied'])
      expect((await account.http.get(`${home.path}/files/pushed.bin`)).body.equals(data)).toBe(true)
    },
  )

  it('[SY-8] is applied once, however often sent, and a wrong predecessor is refused', async () => {
    home = await service.agent(account)
    const request = creation('once', Buffer.from('once'))
    const body = encodeWire('msgpack', request)
    const [first, second] = [await push(body), await push(body)]
    expect(decodeWire('msgpack', second.body)).toEqual(decodeWire('msgpack', first.body))
    const forked = encodeWire(
      'msgpack',
      creation('fork', Buffer.from('x'), { store: request.store, number: 2, previous: 'a'.repeat(64) }),
    )
    const refused = await push(forked)
    expect([refused.status, refused.json()['code']]).toEqual([409, 'store_forked'])
  })

  it('[SY-4] carries its epoch, outside the frozen bytes', async () => {
    home = await service.agent(account)
    const body = encodeWire('msgpack', creation('epoch', Buffer.from('x')))
    const late = await push(body, 'msgpack', '7')
    expect([late.status, late.json()['code']]).toEqual([410, 'epoch_changed'])
    expect((await push(body, 'msgpack', '')).status).toBe(400)
    expect((await push(body)).status).toBe(200)
  })

  it('refuses what is no push, naming where', async () => {
    home = await service.agent(account)
    const bad = await push(encodeWire('msgpack', { ...creation('x', Buffer.from('x')), store: 'no-id' }))
    expect([bad.status, bad.json<{ faults: { at: string }[] }>().faults[0]?.at]).toEqual([400, 'body.store'])
    expect((await push(Buffer.from([0xda, 1]))).status).toBe(400)
    expect((await push(Buffer.alloc(17 * 1_048_576))).status).toBe(413)
    expect(
      (await account.http.send('POST', `${home.path}/sync`, { body: 'x', headers: { 'agentfs-epoch': '0' } }))
        .status,
    ).toBe(400)
  })

  it('[SY-2] a snapshot in pages, then the changes since, give the tree', async () => {
    home = await service.agent(account)
    for (let at = 0; at < 7; at++) await account.http.put(`${home.path}/files/f${at}`, String(at))
    const names = new Set<string>()
    let cursor = ''
    let seq0 = -1
    do {
      const page = snapshotPage.parse(
        (await account.http.get(`${home.path}/snapshot?limit=3${cursor}`)).json(),
      )
      seq0 = page.seq0
      for (const { entries } of page.rows) for (const { name } of entries) names.add(name)
      cursor = page.nextCursor === null ? '' : `&cursor=${encodeURIComponent(page.nextCursor)}`
    } while (cursor !== '')
    expect([...names].toSorted()).toEqual(['f0', 'f1', 'f2', 'f3', 'f4', 'f5', 'f6'])
    await account.http.put(`${home.path}/files/later`, 'x')
    const answer = await account.http.get(`${home.path}/changes?since=${seq0}&epoch=0`, {
      accept: TYPES.msgpack,
    })
    const page = changesPage.parse(decodeWire('msgpack', answer.body))
    expect(page.commits.map(({ seq }) => seq)).toEqual([seq0 + 1])
    expect(page.commits[0]?.delta.entries[0]?.name).toBe('later')
    const over = await account.http.get(`${home.path}/changes?since=0&epoch=9`)
    expect([over.status, over.json()['code']]).toEqual([410, 'epoch_changed'])
  })

  it('gives many small contents at once, and leaves out what it has not', async () => {
    home = await service.agent(account)
    const put = (await account.http.put(`${home.path}/files/c`, 'content')).json<{
      node: string
      version: string
    }>()
    const items = [
      { node: put.node, version: put.version },
      { node: uuidv7(), version: uuidv7() },
    ]
    const answer = await account.http.send('POST', `${home.path}/contents`, {
      body: encodeWire('msgpack', { reason: 'prefetch', items }),
      headers: { 'content-type': TYPES.msgpack },
    })
    expect(answer.status).toBe(200)
    const found = contentsAnswer.parse(decodeWire('msgpack', answer.body)).items
    expect(found.map(({ version, data }) => [version, Buffer.from(data).toString()])).toEqual([
      [put.version, 'content'],
    ])
  })

  it('[SY-13] keeps a part once, checked by its digest, and a push can name it', async () => {
    home = await service.agent(account)
    const [node, part] = [uuidv7(), uuidv7()]
    const data = randomBytes(1_048_576)
    const target = `${home.path}/nodes/${node}/parts/${part}?parent=${home.root}`
    const digest = (bytes: Uint8Array): Record<string, string> => ({
      'content-digest': `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`,
    })
    expect((await account.http.put(target, data, digest(Buffer.from('other')))).status).toBe(400)
    expect((await account.http.put(target, data, digest(data))).status).toBe(201)
    expect((await account.http.put(target, data, digest(data))).status).toBe(200)
    expect((await account.http.put(target, Buffer.alloc(1_048_577))).status).toBe(413)
    const request: PushRequest = {
      store: uuidv7(),
      number: 1,
      previous: null,
      operations: [
        { op: 'create', node, kind: 'file', parent: home.root, name: 'parted' },
        {
          op: 'write',
          node,
          base: null,
          version: uuidv7(),
          size: data.length,
          extents: [{ offset: 0, length: data.length, part, partOffset: 0 }],
        },
      ],
    }
    const answer = await push(encodeWire('msgpack', request))
    expect(pushAnswer.parse(decodeWire('msgpack', answer.body)).results.map(({ status }) => status)).toEqual([
      'applied',
      'applied',
    ])
    expect((await account.http.get(`${home.path}/files/parted`)).body.equals(data)).toBe(true)
  })

  it("[ISO-1] another tenant's agent takes no push and gives no snapshot", async () => {
    home = await service.agent(account)
    const body = encodeWire('msgpack', creation('x', Buffer.from('x')))
    const headers = { 'content-type': TYPES.msgpack, 'agentfs-epoch': '0' }
    expect((await foreign.http.send('POST', `/v1/agents/${home.id}/sync`, { body, headers })).status).toBe(
      404,
    )
    expect((await foreign.http.get(`/v1/agents/${home.id}/snapshot`)).status).toBe(404)
  })
})
