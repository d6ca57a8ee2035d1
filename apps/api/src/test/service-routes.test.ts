import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { openapiDocument } from '@agentfs/contracts'
import { temporaryDirectory, type TemporaryDirectory, waitFor } from '@agentfs/testkit'
import { startService, type TestService } from './service.js'

describe('the service of itself', () => {
  let directory: TemporaryDirectory
  let service: TestService
  beforeAll(async () => {
    directory = await temporaryDirectory('pages')
    await mkdir(join(directory.path, 'dashboard', 'assets'), { recursive: true })
    await writeFile(join(directory.path, 'dashboard', 'index.html'), '<h1>dashboard</h1>')
    await writeFile(join(directory.path, 'dashboard', 'assets', 'app-1a2b3c4d.js'), 'let x')
    await writeFile(join(directory.path, 'secret.txt'), 'secret')
    service = await startService({
      downloads: { directory: directory.path },
      dashboard: { directory: join(directory.path, 'dashboard') },
    })
  })
  afterAll(async () => {
    await service.close()
    await directory.remove()
  })

  it('is healthy, and ready while its database answers', async () => {
    expect((await service.http().get('/healthz')).json()).toEqual({ status: 'ok' })
    expect((await service.http().get('/readyz')).status).toBe(200)
  })

  it('documents itself', async () => {
    const document = await service.http().get('/openapi.json')
    expect(document.json()).toEqual(JSON.parse(JSON.stringify(openapiDocument())))
    const page = await service.http().get('/docs')
    expect(page.headers['content-type']).toMatch(/^text\/html/)
    expect(page.body.toString()).not.toMatch(/(src|href)="https?:/)
    for (const { operation } of [{ operation: 'fileRead' }, { operation: 'push' }])
      expect(page.body.toString()).toContain(`id="${operation}"`)
  })

  it('says what to do where no client is packed', async () => {
    for (const path of ['/download/agentfs-client.tgz', '/download/node-x.tgz', '/install.sh']) {
      const absent = await service.http().get(path)
      expect([absent.status, absent.json()['code']]).toEqual([404, 'not_found'])
    }
  })

  it('serves the dashboard and nothing beside it', async () => {
    expect((await service.http().get('/')).body.toString()).toContain('dashboard')
    expect((await service.http().get('/agents/some-route')).body.toString()).toContain('dashboard')
    const asset = await service.http().get('/assets/app-1a2b3c4d.js')
    expect([asset.status, asset.headers['cache-control']]).toEqual([
      200,
      'public, max-age=31536000, immutable',
    ])
    for (const path of [
      '/../secret.txt',
      '/%2e%2e/secret.txt',
      '/assets/..%2f..%2f..%2fsecret.txt',
      '/secret.txt',
    ]) {
      const answer = await service.http().get(path)
      expect(answer.body.toString()).not.toBe('secret')
      expect(answer.status).toBeGreaterThanOrEqual(400)
    }
    expect((await service.http().get('/v1/nothing')).status).toBe(404)
  })

  it('measures on a listener of its own', async () => {
    expect((await service.http().get('/metrics')).status).not.toBe(500)
    expect((await service.http().get('/metrics')).body.toString()).not.toContain('agentfs_http')
    const text = await (await fetch(service.metricsUrl)).text()
    expect(text).toMatch(/agentfs_http_requests_total\{operation="healthz",status="200"\} \d/)
    expect(text).toContain('process_resident_memory_bytes')
  })

  it('[OUT-1] answers 503 while Postgres is down, and again afterwards, by itself', async () => {
    const account = await service.signup()
    const home = await service.agent(account)
    await account.http.put(`${home.path}/files/kept`, 'kept')
    await service.cluster.pause()
    const down = await account.http.put(`${home.path}/files/kept`, 'more')
    expect([down.status, down.json()['code']]).toEqual([503, 'unavailable'])
    expect(Number(down.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    expect((await service.http().get('/readyz')).status).toBe(503)
    expect((await service.http().get('/healthz')).status).toBe(200)
    await service.cluster.start()
    await waitFor(
      async () => (await account.http.get(`${home.path}/files/kept`)).body.toString() === 'kept',
      { deadlineMs: 10_000, what: 'the service to recover' },
    )
  })
})
