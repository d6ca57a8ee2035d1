import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { join } from 'node:path'
import type { AgentfsClient } from '@agentfs/sdk'
import { temporaryDirectory, type TemporaryDirectory } from '@agentfs/testkit'
import { Machine, type Mount } from './harness/machine.js'
import { rawRequest, type RawAnswer, type RawRequest } from './harness/raw-request.js'
import { Service } from './harness/service.js'

let directory: TemporaryDirectory
let service: Service
let client: AgentfsClient
let key: string

beforeAll(async () => {
  directory = await temporaryDirectory('acceptance')
  service = await Service.start({ home: join(directory.path, 'service') })
  ;({ client, key } = await service.signup('bad-input'))
  await client.createAgent({ name: 'bad' })
})

afterAll(async () => {
  await service?.stop()
  await directory?.remove()
})

const FILES = '/v1/agents/bad/files'

function send(options: RawRequest): Promise<RawAnswer> {
  return rawRequest(service.url, {
    ...options,
    headers: { authorization: `Bearer ${key}`, ...options.headers },
  })
}

/** The code of a problem; fails where the answer is none, or says too little or too much. */
function problemOf(answer: RawAnswer): { status: number; code: string } {
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
  const problem = JSON.parse(answer.text) as Record<string, unknown>
  expect(problem).toMatchObject({
    type: expect.any(String),
    title: expect.any(String),
    status: answer.status,
    requestId: expect.any(String),
  })
  expect(answer.text).not.toMatch(/node_modules|\.ts:|\.js:|select .* from|postgres/i)
  return { status: answer.status, code: String(problem['code']) }
}

describe('credentials', () => {
  it('malformed, forged, cut and overlong ones are 401 with a problem, never a 500', async () => {
    const jwt = (header: object, payload: object, signature = 'AAAA'): string =>
      [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.') +
      `.${signature}`
    const credentials = [
      'Bearer',
      'Bearer ',
      'Bearer nonsense',
      'Basic dXNlcjpwYXNz',
      'Bearer afs_',
      'Bearer afs_live_',
      `Bearer ${key.slice(0, -1)}`,
      `Bearer ${key}x`,
      `Bearer ${key.replace('afs_live', 'afs_prod')}`,
      `Bearer ${key.slice(0, 40)}${key.slice(41)}`,
      `Bearer ${jwt({ alg: 'none' }, { sub: 'x' }, '')}`,
      `Bearer ${jwt({ alg: 'HS256' }, { sub: 'x', exp: 4e9 })}`,
      `Bearer ${jwt({ alg: 'EdDSA', kid: '../../etc/passwd' }, { exp: 4e9 })}`,
      'Bearer a.b.c',
      `Bearer ${'x'.repeat(8_000)}`,
      `Bearer ${key}, Bearer ${key}`,
      'Bearer \u00e9\u00e8',
    ]
    for (const authorization of credentials) {
      const answer = await rawRequest(service.url, { path: '/v1/whoami', headers: { authorization } })
      expect({ authorization, ...problemOf(answer) }).toEqual({
        authorization,
        status: 401,
        code: 'unauthenticated',
      })
    }
    const none = await rawRequest(service.url, { path: '/v1/whoami' })
    expect(problemOf(none).code).toBe('unauthenticated')
    expect((await send({ path: '/v1/whoami' })).status).toBe(200)
  })

  it('x-api-key is as good as Authorization, and as strict', async () => {
    const ask = (value: string): Promise<RawAnswer> =>
      rawRequest(service.url, { path: '/v1/whoami', headers: { 'x-api-key': value } })
    expect((await ask(key)).status).toBe(200)
    expect(problemOf(await ask('nonsense')).code).toBe('unauthenticated')
  })
})

describe('[FS-6] paths', () => {
  it('`.`, `..`, NUL, empty segments, %2F and what is no UTF-8 are refused however they are written', async () => {
    const before = (await client.getAgent('bad')).seq
    const paths = [
      '..',
      '../x',
      'a/../b',
      '%2e%2e',
      '%2E%2e/x',
      '.%2e/x',
      'a/%2e%2e/%2e%2e/%2e%2e/etc/passwd',
      '.',
      './a',
      'a/%2e/b',
      '..%2fx',
      '..%5c..%2fx',
      'a%2Fb',
      '%2fetc%2fpasswd',
      '%00',
      'a%00b',
      'a/%00',
      '/a',
      'a//b',
      'a/',
      '%ff',
      '%c0%ae%c0%ae',
      '%zz',
      '%',
      'a%E2%82',
      '%ed%a0%80',
    ]
    for (const path of paths) {
      for (const method of ['PUT', 'GET', 'DELETE']) {
        const answer = await send({
          method,
          path: `${FILES}/${path}`,
          ...(method === 'PUT' ? { body: 'x' } : {}),
        })
        expect({ path, method, ...problemOf(answer) }).toEqual({
          path,
          method,
          status: 400,
          code: 'invalid_path',
        })
      }
    }
    for (const path of ['..', 'a/../b', 'a//b', 'a\0b', './a']) {
      const body = JSON.stringify({ path })
      const headers = { 'content-type': 'application/json' }
      const made = await send({ method: 'POST', path: '/v1/agents/bad/mkdir', body, headers })
      expect({ path, ...problemOf(made) }).toEqual({ path, status: 400, code: 'invalid_path' })
      for (const route of ['stat', 'tree', 'versions']) {
        const asked = await send({ path: `/v1/agents/bad/${route}?path=${encodeURIComponent(path)}` })
        expect({ path, route, ...problemOf(asked) }).toEqual({
          path,
          route,
          status: 400,
          code: 'invalid_path',
        })
      }
    }
    expect((await client.getAgent('bad')).seq).toBe(before)
    expect((await client.agent('bad').files.list('', { depth: 64 })).data).toEqual([])
  })

  it('backslashes, spaces, `...`, emoji, `%25`, newlines are ordinary names, given back as given', async () => {
    const files = client.agent('bad').files
    const names = [
      'a\\..\\b',
      ' ',
      '...',
      '..a',
      'x%2Fy',
      'new\nline',
      '🦊',
      'e\u0301',
      '\u00e9',
      '-rf',
      '~',
      '?#&',
    ]
    for (const name of names) {
      await files.write(name, name)
      expect(await files.readText(name)).toBe(name)
    }
    const listed = (await files.list()).data.map(({ path }) => path)
    expect(listed.sort()).toEqual(names.toSorted())
    for (const name of names) await files.remove(name)
  })

  it('names of 255 bytes are taken, of 256 refused: in bytes, not in characters', async () => {
    for (const [name, taken] of [
      ['a'.repeat(255), true],
      ['a'.repeat(256), false],
      ['é'.repeat(127) + 'a', true],
      ['é'.repeat(128), false],
      ['🦊'.repeat(64), false],
    ] as const) {
      const answer = await send({ method: 'PUT', path: `${FILES}/${encodeURIComponent(name)}`, body: 'x' })
      if (taken) {
        expect(answer.status).toBe(201)
        await client.agent('bad').files.remove(name)
      } else expect(problemOf(answer)).toEqual({ status: 400, code: 'invalid_path' })
    }
    const long = Array.from({ length: 30 }, () => 'a'.repeat(200)).join('/')
    expect(problemOf(await send({ path: `${FILES}/${long}` }))).toEqual({ status: 400, code: 'invalid_path' })
  })

  it('a path that is a directory, or goes through a file', async () => {
    const files = client.agent('bad').files
    await files.mkdir('dir')
    await files.write('dir/inside.md', 'x')
    await files.write('file.md', 'x')
    const code = async (options: RawRequest): Promise<string> => problemOf(await send(options)).code
    expect(await code({ method: 'PUT', path: `${FILES}/dir`, body: 'x' })).toBe('is_directory')
    expect(await code({ path: `${FILES}/dir` })).toBe('is_directory')
    expect(await code({ method: 'PATCH', path: `${FILES}/dir?op=append`, body: 'x' })).toBe('is_directory')
    expect(await code({ method: 'DELETE', path: `${FILES}/dir` })).toBe('not_empty')
    expect(await code({ method: 'PUT', path: `${FILES}/file.md/x`, body: 'x' })).toBe('not_a_directory')
    expect(['not_a_directory', 'not_found']).toContain(await code({ path: `${FILES}/file.md/x` }))
    expect(await code({ path: `${FILES}/missing.md` })).toBe('not_found')
    expect(await code({ method: 'PUT', path: `${FILES}/missing/x.md`, body: 'x' })).toBe('not_found')
    expect(await code({ method: 'DELETE', path: FILES })).toMatch(
      /invalid_path|is_directory|not_found|not_empty/,
    )
    expect(await files.readText('dir/inside.md')).toBe('x')
    await files.remove('dir', { recursive: true })
    await files.remove('file.md')
  })
})

describe('bodies and queries', () => {
  const json = { 'content-type': 'application/json' }

  it('10 MB of JSON are 413 at once, with and without an announced length, with and without a credential', async () => {
    const megabyte = Buffer.alloc(1_048_576, 'a')
    const whole = Buffer.concat([
      Buffer.from('{"name":"'),
      ...Array<Buffer>(10).fill(megabyte),
      Buffer.from('"}'),
    ])
    for (const path of [
      '/v1/agents',
      '/v1/agents/bad/mkdir',
      '/v1/signup',
      '/v1/auth/login',
      '/v1/auth/token',
    ]) {
      const startedAt = performance.now()
      const announced = await send({ method: 'POST', path, headers: json, body: whole })
      expect({ path, ...problemOf(announced) }).toEqual({ path, status: 413, code: 'too_large' })
      const chunked = await send({
        method: 'POST',
        path,
        headers: json,
        body: [whole.subarray(0, 9), ...Array<Buffer>(10).fill(megabyte)],
      })
      expect({ path, ...problemOf(chunked) }).toEqual({ path, status: 413, code: 'too_large' })
      expect(performance.now() - startedAt).toBeLessThan(5_000)
    }
    const anonymous = await rawRequest(service.url, {
      method: 'POST',
      path: '/v1/agents',
      headers: json,
      body: whole,
    })
    expect([401, 413]).toContain(anonymous.status)
  })

  it('JSON that is none, of the wrong shape, of the wrong type, deeply nested: 400, saying what', async () => {
    const bodies = [
      '',
      '{',
      'null',
      '[]',
      '"x"',
      '{"name":1}',
      '{"name":null}',
      '{"name":"UPPER"}',
      '{"name":""}',
      `{"name":"${'a'.repeat(64)}"}`,
      '{"name":"../x"}',
      '{"__proto__":{"name":"x"}}',
      `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
      '{"name":"\u0000"}',
    ]
    for (const body of bodies) {
      const answer = await send({ method: 'POST', path: '/v1/agents', headers: json, body })
      expect({ body: body.slice(0, 40), ...problemOf(answer) }).toEqual({
        body: body.slice(0, 40),
        status: 400,
        code: 'invalid_request',
      })
    }
    const form = await send({
      method: 'POST',
      path: '/v1/agents',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'name=x',
    })
    expect([400, 415]).toContain(form.status)
    problemOf(form)
  })

  it('queries out of range, cursors of nobody, ranges of nonsense', async () => {
    await client.agent('bad').files.write('r.md', '0123456789')
    for (const query of [
      'limit=0',
      'limit=1001',
      'limit=-1',
      'limit=x',
      'depth=0',
      'depth=99999',
      'cursor=nonsense',
      'cursor=%00',
    ]) {
      const answer = await send({ path: `/v1/agents/bad/tree?${query}` })
      expect({ query, ...problemOf(answer) }).toEqual({ query, status: 400, code: 'invalid_request' })
    }
    for (const [range, status] of [
      ['bytes=0-3', 206],
      ['bytes=-4', 206],
      ['bytes=5-', 206],
      ['bytes=100-200', 416],
      ['bytes=9-1', 200],
      ['lines=1-2', 200],
      ['bytes=', 200],
    ] as const) {
      const answer = await send({ path: `${FILES}/r.md`, headers: { range } })
      expect({ range, status: answer.status }).toEqual({ range, status })
    }
    for (const version of ['x', '-1', '99', '0192aaaa-0000-7000-8000-000000000000']) {
      const answer = await send({ path: `${FILES}/r.md?version=${version}` })
      expect([400, 404]).toContain(answer.status)
      problemOf(answer)
    }
    await client.agent('bad').files.remove('r.md')
  })

  it('unknown routes and methods answer with a problem; HEAD of what is missing has no body', async () => {
    expect(problemOf(await send({ path: '/v1/nonsense' })).status).toBe(404)
    expect([404, 405]).toContain(problemOf(await send({ method: 'PATCH', path: '/v1/whoami' })).status)
    const head = await send({ method: 'HEAD', path: `${FILES}/missing.md` })
    expect(head).toMatchObject({ status: 404, text: '' })
  })

  it('an old client is 426 client_too_old on every sync route, and the service says what it speaks', async () => {
    const headers = { 'agentfs-protocol': '0', accept: 'application/json' }
    const base = '/v1/agents/bad'
    const upgrade = {
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16).toString('base64'),
    }
    const requests: RawRequest[] = [
      { path: `${base}/snapshot` },
      { path: `${base}/changes?since=0&epoch=0` },
      { method: 'POST', path: `${base}/sync`, body: '{}', headers: { 'content-type': 'application/json' } },
      { path: `${base}/feed?since=0&epoch=0`, headers: upgrade },
    ]
    for (const request of requests) {
      const answer = await send({ ...request, headers: { ...request.headers, ...headers } })
      expect({ path: request.path, ...problemOf(answer) }).toEqual({
        path: request.path,
        status: 426,
        code: 'client_too_old',
      })
      expect(answer.headers['agentfs-protocol']).toBe('1')
    }
  })

  it('pushes of nonsense are refused whole, and nothing is committed', async () => {
    const before = (await client.getAgent('bad')).seq
    for (const [type, body] of [
      ['application/json', '{}'],
      ['application/json', 'nonsense'],
      ['application/msgpack', Buffer.from([0xc1])],
      ['application/msgpack', Buffer.alloc(100, 0xff)],
      ['application/msgpack', Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff])],
      ['text/plain', 'x'],
    ] as const) {
      const answer = await send({
        method: 'POST',
        path: '/v1/agents/bad/sync',
        body,
        headers: { 'content-type': type, 'agentfs-protocol': '1', 'agentfs-epoch': '0' },
      })
      expect({ type, status: [400, 415].includes(answer.status) }).toEqual({ type, status: true })
      problemOf(answer)
    }
    expect((await client.getAgent('bad')).seq).toBe(before)
    expect((await client.health()).status).toBe('ok')
  })
})

describe('[FS-3] the same on a mount', () => {
  let machine: Machine
  let mount: Mount

  beforeAll(async () => {
    machine = new Machine({ home: join(directory.path, 'm'), service, token: key, agent: 'mounted' })
    mount = await machine.mount()
    await mount.output('mkdir -p dir/sub && echo x > file.md && echo x > dir/inside.md')
  })

  afterAll(async () => {
    await machine?.close()
  })

  it.each([
    ['touch $(printf "a%.0s" $(seq 256))', 'File name too long'],
    ['mkdir $(printf "a%.0s" $(seq 256))', 'File name too long'],
    ['ln -s x $(printf "a%.0s" $(seq 256))', 'File name too long'],
    ['mv file.md $(printf "a%.0s" $(seq 256))', 'File name too long'],
    ['cat $(printf "a%.0s" $(seq 256))', 'File name too long'],
    ['touch $(printf "é%.0s" $(seq 128))', 'File name too long'],
    ['echo x > dir', 'Is a directory'],
    ['cat dir', 'Is a directory'],
    ['echo x > file.md/x', 'Not a directory'],
    ['cat file.md/x', 'Not a directory'],
    ['rmdir dir', 'Directory not empty'],
    ['rmdir file.md', 'Not a directory'],
    ['unlink dir', 'Is a directory|Operation not permitted'],
    ['mv dir dir/sub/', 'Invalid argument|subdirectory of itself'],
    ['mv -T dir file.md', 'Not a directory|cannot overwrite non-directory'],
    ['mv -T file.md dir', 'Is a directory|cannot overwrite directory'],
    ['mkdir dir', 'File exists'],
    ['cat missing.md', 'No such file or directory'],
    ['echo x > missing/x.md', 'No such file or directory'],
    ['mkfifo fifo', 'Operation not permitted'],
    ['mkdir .agentfs', 'File exists|Permission denied'],
    ['echo x > .agentfs/status', 'Permission denied|Read-only'],
    ['rm -r .agentfs', 'Permission denied|Read-only|Operation not permitted'],
    ['mv file.md .agentfs/x', 'Permission denied|Read-only'],
  ])('%s: %s', async (command, message) => {
    const done = await mount.shell(command, { limitMs: 10_000 })
    expect(done.code).not.toBe(0)
    expect(done.stderr).toMatch(new RegExp(message))
  })

  it('[FS-6] names that are no UTF-8 are kept exactly, and seen by REST as nameBase64', async () => {
    await mount.output(`printf x > $'latin-\\xe9.md' && mkdir $'d\\xff' && echo inner > $'d\\xff/i.md'`)
    expect(await mount.output('ls | od -An -v -w200 -tx1')).toMatch(/6c 61 74 69 6e 2d e9 2e 6d 64/)
    expect((await machine.cli(['sync', mount.directory])).code).toBe(0)
    const listed = (await client.agent('mounted').files.list()).data
    const latin = listed.find(
      ({ nameBase64 }) => nameBase64 !== undefined && Buffer.from(nameBase64, 'base64').includes(0xe9),
    )
    expect(Buffer.from(latin?.nameBase64 ?? '', 'base64').toString('latin1')).toBe('latin-\xe9.md')
    expect((await client.agent('mounted').files.statNode(latin?.node ?? '')).size).toBe(1)
  })
})
