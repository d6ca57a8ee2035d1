import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { type Account, type Home, startService, type TestService } from './service.js'

describe('bad input', () => {
  let service: TestService
  let account: Account
  let home: Home
  beforeAll(async () => {
    service = await startService()
    account = await service.signup()
    home = await service.agent(account)
  })
  afterAll(() => service.close())

  const codeOf = async (target: string): Promise<[number, unknown]> => {
    const answer = await account.http.get(target)
    return [answer.status, answer.json()['code']]
  }

  it('[FS-6] names of 256 bytes, `..` in every encoding, NUL, %2F and empty segments are invalid paths', async () => {
    for (const path of [
      'x'.repeat(256),
      '..',
      '../x',
      'a/../b',
      '%2e%2e',
      '%2E%2e/x',
      '.%2e/x',
      '%2e',
      'a%00b',
      '%00',
      'a%2Fb',
      'a%2fb',
      'a//b',
      '/a',
      'a/',
      '%zz',
      '%ff',
      '%C0%AE%C0%AE',
    ]) {
      expect([path, ...(await codeOf(`${home.path}/files/${path}`))]).toEqual([path, 400, 'invalid_path'])
    }
    for (const path of ['..', 'a/../b', 'a//b', 'a%00', 'x'.repeat(256)]) {
      expect([path, ...(await codeOf(`${home.path}/stat?path=${path}`))]).toEqual([path, 400, 'invalid_path'])
      expect(
        (await account.http.post(`${home.path}/mkdir`, { path: decodeURIComponent(path) })).json()['code'],
      ).toBe('invalid_path')
    }
    expect(await codeOf(`${home.path}/files/${'x'.repeat(255)}`)).toEqual([404, 'not_found'])
  })

  it('[FS-6] whatever is sent as a path is refused, missing, or stored under exactly that name; never a 5xx', async () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '..',
        '.',
        '%2e',
        '%2f',
        '%5c',
        '/',
        '%00',
        '%25',
        '%',
        'files',
        '~',
        ';',
        '&',
        '=',
        '+',
        '*',
        ':',
        '@',
        '%0a',
        '%7f',
      ),
      fc.string({ minLength: 1, maxLength: 6 }).map((text) => encodeURIComponent(text.toWellFormed())),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 6 }), async (pieces) => {
        const target = `${home.path}/files/${pieces.join('')}`
        const put = await account.http.put(target, 'fuzz')
        expect(put.status).toBeLessThan(500)
        if (put.status !== 201 && put.status !== 200) return
        const { path } = put.json<{ path: string }>()
        expect(path.split('/').some((name) => name === '' || name === '.' || name === '..')).toBe(false)
        expect(path).toBe(decodeURIComponent(pieces.join('')))
        expect((await account.http.get(target)).body.toString()).toBe('fuzz')
        expect((await account.http.delete(target)).status).toBe(204)
      }),
      { numRuns: 150 },
    )
  })

  it('10 MB of JSON is too large, and the caller gets to read so', async () => {
    const body = JSON.stringify({ name: 'x'.repeat(10_000_000) })
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      const answer = await account.http.send('POST', '/v1/agents', {
        body,
        headers: { 'content-type': 'application/json', ...headers },
      })
      expect([answer.status, answer.json()['code']]).toEqual([413, 'too_large'])
    }
    expect((await account.http.get('/v1/whoami')).status).toBe(200)
  })

  it('a body nobody may send is not read at all', async () => {
    const answer = await service.http().send('POST', '/v1/agents', {
      body: Buffer.alloc(8_000_000, 32),
      headers: { 'content-type': 'application/json' },
    })
    expect(answer.status).toBe(401)
  })

  it('what is no JSON, of another type, compressed, or of another shape is an invalid request', async () => {
    for (const [body, type] of [
      ['{', 'application/json'],
      ['', 'application/json'],
      ['[]', 'application/json'],
      ['null', 'application/json'],
      ['name=x', 'application/x-www-form-urlencoded'],
      ['['.repeat(100_000), 'application/json'],
    ] as const) {
      const answer = await account.http.send('POST', '/v1/agents', {
        body,
        headers: { 'content-type': type },
      })
      expect([body.slice(0, 10), answer.status, answer.json()['code']]).toEqual([
        body.slice(0, 10),
        400,
        'invalid_request',
      ])
    }
    const zipped = await account.http.put(`${home.path}/files/z`, 'x', { 'content-encoding': 'gzip' })
    expect([zipped.status, zipped.json()['code']]).toEqual([400, 'invalid_request'])
  })

  it('an old client is told to update', async () => {
    const answer = await account.http.get(`${home.path}/snapshot`, { 'agentfs-protocol': '0' })
    expect([answer.status, answer.json()['code'], answer.headers['agentfs-protocol']]).toEqual([
      426,
      'client_too_old',
      '1',
    ])
    expect(answer.json()['detail']).toMatch(/install\.sh/)
    expect((await account.http.get(`${home.path}/snapshot`, { 'agentfs-protocol': '1' })).status).toBe(200)
    expect((await account.http.get(`${home.path}/snapshot`, { 'agentfs-protocol': 'x' })).status).toBe(400)
    expect((await account.http.get(`${home.path}/snapshot`, { 'agentfs-protocol': '2' })).status).toBe(400)
  })

  it('ids that are none, and routes that are none, are not found', async () => {
    for (const target of [
      `${home.path}/nodes/x`,
      `${home.path}/nodes/x/content`,
      '/v1/nothing',
      '/v1/agents/',
      `/v1/agents/NOPE/tree`,
      '/v1/agents/a%2Fb/tree',
    ]) {
      expect([target, (await codeOf(target))[0]]).toEqual([target, 404])
    }
  })

  it('bytes that are no HTTP get an answer, and oversized headers', async () => {
    const { port } = new URL(service.url)
    const say = async (text: string): Promise<string> => {
      const { promise, resolve } = Promise.withResolvers<string>()
      let heard = ''
      const socket = connect(Number(port), '127.0.0.1', () => socket.end(text))
      socket.on('data', (chunk) => (heard += chunk.toString()))
      socket.on('close', () => resolve(heard))
      socket.on('error', () => resolve(heard))
      return await promise
    }
    expect(await say('\x16\x03\x01\x02\x00garbage\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 400 .*application\/problem\+json/s,
    )
    expect(await say(`GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 /,
    )
  })

  it('every problem is RFC 9457 and carries its request id', async () => {
    const answer = await account.http.get(`${home.path}/files/missing`, { 'x-request-id': 'my-id.1' })
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
    expect(answer.headers['x-request-id']).toBe('my-id.1')
    expect(answer.json()).toMatchObject({
      type: '/docs/errors/not_found',
      status: 404,
      code: 'not_found',
      requestId: 'my-id.1',
    })
    expect((await service.http().get('/docs/errors/not_found')).status).toBe(200)
    for (const id of ['a b', 'x'.repeat(129), 'ü', '<script>']) {
      expect(
        (await account.http.get('/v1/whoami', { 'x-request-id': encodeURI(id) })).headers['x-request-id'],
      ).not.toBe(id)
    }
  })
})
