import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { uuidv7 } from '@agentfs/contracts'
import { type Account, type Home, startService, type TestService } from './service.js'

interface Written {
  readonly node: string
  readonly version: string
  readonly number: number
  readonly seq: number
  readonly receipt: object | null
}

describe('files', () => {
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

  const file = (path: string): string => `${home.path}/files/${path}`

  it('are created (201), replaced (200), and read back with all headers', async () => {
    const created = await account.http.put(file('notes.md'), '# one')
    expect(created.status).toBe(201)
    const first = created.json<Written>()
    expect(first).toMatchObject({ number: 1, state: 'acknowledged', path: 'notes.md' })
    expect(first.receipt).not.toBeNull()
    const replaced = await account.http.put(file('notes.md'), '# two')
    expect(replaced.status).toBe(200)
    expect(replaced.json<Written>()).toMatchObject({ node: first.node, number: 2 })
    const read = await account.http.get(file('notes.md'))
    expect([read.status, read.body.toString()]).toEqual([200, '# two'])
    expect(read.headers).toMatchObject({
      etag: `"${replaced.json<Written>().version}"`,
      'agentfs-seq': String(replaced.json<Written>().seq),
      'agentfs-epoch': '0',
      'agentfs-state': 'acknowledged',
      'accept-ranges': 'bytes',
      'content-length': '5',
      'content-type': 'text/markdown; charset=utf-8',
      'x-content-type-options': 'nosniff',
    })
  })

  it('make no new version of identical bytes', async () => {
    const one = (await account.http.put(file('same.txt'), 'same')).json<Written>()
    const two = await account.http.put(file('same.txt'), 'same')
    expect(two.status).toBe(200)
    expect(two.json<Written>()).toMatchObject({ version: one.version, number: 1, receipt: null })
  })

  it('take the bytes of a .json file as they are, and empty ones', async () => {
    const bytes = '{"not": valid json'
    expect(
      (await account.http.put(file('x.json'), bytes, { 'content-type': 'application/json' })).status,
    ).toBe(201)
    expect((await account.http.get(file('x.json'))).body.toString()).toBe(bytes)
    expect((await account.http.put(file('empty'), '')).status).toBe(201)
    const empty = await account.http.get(file('empty'))
    expect([empty.status, empty.headers['content-length'], empty.body.length]).toEqual([200, '0', 0])
  })

  it('[CON-6] insist where the caller does: If-Match, If-None-Match', async () => {
    const { version } = (await account.http.put(file('insist'), 'one')).json<Written>()
    const second = await account.http.put(file('insist'), 'two', { 'if-match': `"${version}"` })
    expect(second.status).toBe(200)
    const stale = await account.http.put(file('insist'), 'three', { 'if-match': `"${version}"` })
    expect([stale.status, stale.json()['code']]).toEqual([412, 'version_conflict'])
    expect(stale.body.toString()).toContain(second.json<Written>().version)
    const create = await account.http.put(file('insist'), 'three', { 'if-none-match': '*' })
    expect([create.status, create.json()['code']]).toEqual([412, 'version_conflict'])
    expect((await account.http.put(file('absent'), 'x', { 'if-match': '*' })).status).toBe(412)
    expect((await account.http.put(file('absent'), 'x', { 'if-none-match': '*' })).status).toBe(201)
    expect((await account.http.delete(file('insist'), { 'if-match': `"${version}"` })).status).toBe(412)
    expect((await account.http.get(file('insist'))).body.toString()).toBe('two')
  })

  it('answer ranges: 206, 416, and the whole where the header is not understood', async () => {
    await account.http.put(file('range'), '0123456789')
    const range = async (value: string): Promise<[number, string, string | undefined]> => {
      const { status, body, headers } = await account.http.get(file('range'), { range: value })
      return [status, status === 416 ? '' : body.toString(), headers['content-range']]
    }
    expect(await range('bytes=2-4')).toEqual([206, '234', 'bytes 2-4/10'])
    expect(await range('bytes=7-')).toEqual([206, '789', 'bytes 7-9/10'])
    expect(await range('bytes=-3')).toEqual([206, '789', 'bytes 7-9/10'])
    expect(await range('bytes=-99')).toEqual([206, '0123456789', 'bytes 0-9/10'])
    expect(await range('bytes=5-99')).toEqual([206, '56789', 'bytes 5-9/10'])
    expect(await range('bytes=10-')).toEqual([416, '', 'bytes */10'])
    expect(await range('bytes=-0')).toEqual([416, '', 'bytes */10'])
    expect(await range('bytes=0-1,4-5')).toEqual([200, '0123456789', undefined])
    expect(await range('lines=1-2')).toEqual([200, '0123456789', undefined])
    const current = String((await account.http.get(file('range'))).headers.etag)
    const resume = async (tag: string): Promise<number> =>
      (await account.http.get(file('range'), { range: 'bytes=2-4', 'if-range': tag })).status
    expect([await resume(current), await resume(`"${uuidv7()}"`)]).toEqual([206, 200])
  })

  it('answer 304 to who has the version, and HEAD without a body', async () => {
    const { version } = (await account.http.put(file('cached'), 'abc')).json<Written>()
    const same = await account.http.get(file('cached'), { 'if-none-match': `"${version}"` })
    expect([same.status, same.body.length, same.headers.etag]).toEqual([304, 0, `"${version}"`])
    expect((await account.http.get(file('cached'), { 'if-none-match': `"${uuidv7()}"` })).status).toBe(200)
    const head = await account.http.send('HEAD', file('cached'))
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '3', 0])
    expect((await account.http.send('HEAD', file('missing'))).status).toBe(404)
  })

  it('are read as they were: by version id, by number, as of an instant', async () => {
    const one = (await account.http.put(file('past'), 'one')).json<Written>()
    const between = new Date().toISOString()
    await account.http.put(file('past'), 'two')
    const read = async (query: string): Promise<string> =>
      (await account.http.get(`${file('past')}?${query}`)).body.toString()
    expect(await read(`version=${one.version}`)).toBe('one')
    expect(await read('version=1')).toBe('one')
    expect(await read('version=2')).toBe('two')
    expect(await read(`at=${encodeURIComponent(between)}`)).toBe('one')
    const old = await account.http.get(`${file('past')}?version=1`)
    expect(old.headers.etag).toBe(`"${one.version}"`)
    for (const query of ['version=99', `version=${uuidv7()}`, 'at=2001-01-01T00:00:00Z']) {
      expect((await account.http.get(`${file('past')}?${query}`)).status).toBe(404)
    }
    expect((await account.http.get(`${file('past')}?version=x`)).status).toBe(400)
    expect((await account.http.get(`${file('past')}?version=1&at=${between}`)).status).toBe(400)
  })

  it('stream in and out above 1 MiB, exactly', async () => {
    const bytes = randomBytes(5 * 1_048_576 + 17)
    const put = await account.http.put(file('big.bin'), bytes)
    expect(put.status).toBe(201)
    const read = await account.http.get(file('big.bin'))
    expect(read.body.equals(bytes)).toBe(true)
    const part = await account.http.get(file('big.bin'), { range: 'bytes=1048570-1048590' })
    expect(part.body.equals(bytes.subarray(1_048_570, 1_048_591))).toBe(true)
    // Without a length, in chunks.
    const chunked = await account.http.send('PUT', file('chunked.bin'), {
      body: bytes,
      headers: { 'transfer-encoding': 'chunked' },
    })
    expect(chunked.status).toBe(201)
    expect((await account.http.get(file('chunked.bin'))).body.equals(bytes)).toBe(true)
  })

  it('append, and say where', async () => {
    const first = await account.http.send('PATCH', `${file('log.jsonl')}?op=append`, { body: '{"a":1}\n' })
    expect(first.json<{ offset: number }>().offset).toBe(0)
    const second = await account.http.send('PATCH', `${file('log.jsonl')}?op=append`, { body: '{"a":2}\n' })
    expect(second.json<{ offset: number }>().offset).toBe(8)
    expect((await account.http.get(file('log.jsonl'))).body.toString()).toBe('{"a":1}\n{"a":2}\n')
    expect((await account.http.send('PATCH', file('log.jsonl'), { body: 'x' })).status).toBe(400)
  })

  it('need their directory, unless parents=true', async () => {
    const missing = await account.http.put(file('deep/er/x.md'), 'x')
    expect([missing.status, missing.json()['code']]).toEqual([404, 'not_found'])
    expect((await account.http.put(`${file('deep/er/x.md')}?parents=true`, 'x')).status).toBe(201)
    const through = await account.http.put(file('deep/er/x.md/y'), 'x')
    expect([through.status, through.json()['code']]).toEqual([409, 'not_a_directory'])
    const directory = await account.http.get(file('deep'))
    expect([directory.status, directory.json()['code']]).toEqual([409, 'is_directory'])
    expect((await account.http.put(file('deep'), 'x')).json()['code']).toBe('is_directory')
    expect((await account.http.get(home.path + '/files/')).json()['code']).toBe('is_directory')
  })

  it('are deleted; directories only empty or recursively', async () => {
    await account.http.put(`${file('gone/a/b.md')}?parents=true`, 'x')
    const full = await account.http.delete(file('gone'))
    expect([full.status, full.json()['code']]).toEqual([409, 'not_empty'])
    expect((await account.http.delete(`${file('gone')}?recursive=true`)).status).toBe(204)
    expect((await account.http.get(file('gone/a/b.md'))).status).toBe(404)
    expect((await account.http.delete(file('gone'))).status).toBe(404)
  })

  it('[DUR-2] leave nothing of an upload that was cut off', async () => {
    const sent = account.http.send('PUT', file('torn'), {
      body: 'short',
      headers: { 'content-length': '100' },
    })
    const late = new Promise((resolve) => void setTimeout(resolve, 200))
    await Promise.race([sent.catch(() => undefined), late])
    account.http.close()
    expect((await account.http.get(file('torn'))).status).toBe(404)
  })

  it("[ISO-1] another tenant's file answers like a missing one", async () => {
    await account.http.put(file('secret.md'), 'secret')
    const probe = `/v1/agents/${home.id}/files/secret.md`
    expect((await foreign.http.get(probe)).status).toBe(404)
    expect((await foreign.http.put(probe, 'x')).status).toBe(404)
    expect((await foreign.http.delete(probe)).status).toBe(404)
    expect((await account.http.get(file('secret.md'))).body.toString()).toBe('secret')
  })
})
