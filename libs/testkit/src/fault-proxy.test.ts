import { once } from 'node:events'
import { createServer, type IncomingMessage, request as send, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { type FaultProxy, startFaultProxy } from './fault-proxy.js'
import { freePort } from './free-port.js'

describe('the fault proxy', () => {
  let target: Server
  let proxy: FaultProxy
  let served = 0

  beforeAll(async () => {
    target = createServer((request, answer) => {
      served++
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.once('end', () => {
        answer.setHeader('x-host', request.headers.host ?? '')
        answer.end(`${request.method} ${request.url} ${Buffer.concat(chunks).toString()}`)
      })
    })
    const port = await freePort()
    await new Promise<void>((resolve) => {
      target.listen(port, '127.0.0.1', resolve)
    })
    proxy = await startFaultProxy(`http://127.0.0.1:${port}`)
  })
  afterAll(async () => {
    await proxy.close()
    target.closeAllConnections()
    target.close()
  })
  beforeEach(() => {
    proxy.rule = () => ({ kind: 'pass' })
    proxy.requests.length = 0
    served = 0
  })
  const ask = async (path: string, init?: RequestInit) => (await fetch(proxy.url + path, init)).text()

  it('passes WebSockets through, or refuses them with the answer it is told', async () => {
    target.once('upgrade', (_request, socket, first: Buffer) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
      socket.write(first)
      socket.pipe(socket)
    })
    const headers = { connection: 'upgrade', upgrade: 'websocket' }
    const passed = send(`${proxy.url}/feed`, { headers }).end()
    const [, socket] = (await once(passed, 'upgrade')) as [unknown, Socket]
    socket.write('echo')
    expect(String(await once(socket, 'data'))).toBe('echo')
    socket.destroy()
    proxy.rule = () => ({ kind: 'answer', status: 426, body: 'too old' })
    const refused = send(`${proxy.url}/feed`, { headers }).end()
    const [answer] = (await once(refused, 'response')) as [IncomingMessage]
    expect([answer.statusCode, String(await once(answer, 'data'))]).toEqual([426, 'too old'])
  })

  it('passes requests on unchanged, and counts them', async () => {
    const answer = await fetch(`${proxy.url}/a?b=c`, { method: 'PUT', body: 'body' })
    expect(await answer.text()).toBe('PUT /a?b=c body')
    expect(answer.headers.get('x-host')).toBe(new URL(proxy.url).host)
    await ask('/d')
    expect(proxy.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(['PUT /a?b=c', 'GET /d'])
    expect(proxy.count('PUT')).toBe(1)
  })

  it('holds requests back for the latency asked for', async () => {
    proxy.rule = ({ method }) => ({ kind: 'pass', latencyMs: method === 'GET' ? 60 : 0 })
    const startedAt = performance.now()
    await ask('/')
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(59)
  })

  it('answers by itself, or not at all, without the target hearing of it', async () => {
    proxy.rule = () => ({ kind: 'answer', status: 503, headers: { 'retry-after': '7' }, body: 'busy' })
    const answer = await fetch(proxy.url)
    expect([answer.status, answer.headers.get('retry-after'), await answer.text()]).toEqual([
      503,
      '7',
      'busy',
    ])
    proxy.rule = () => ({ kind: 'reset' })
    await expect(ask('/')).rejects.toThrow('fetch failed')
    proxy.rule = () => ({ kind: 'hang' })
    await expect(ask('/', { signal: AbortSignal.timeout(50) })).rejects.toThrow('timeout')
    expect(served).toBe(0)
  })

  it('loses or cuts answers that the target has given', async () => {
    proxy.rule = () => ({ kind: 'loseAnswer' })
    await expect(ask('/', { method: 'POST', body: 'x' })).rejects.toThrow('fetch failed')
    expect(served).toBe(1)
    proxy.rule = () => ({ kind: 'cutAnswer', afterBytes: 3 })
    await expect(ask('/')).rejects.toThrow('terminated')
    expect(served).toBe(2)
  })

  it('refuses connections while it is closed, and comes back on the same port', async () => {
    const { url } = proxy
    await proxy.close()
    await expect(ask('/')).rejects.toThrow('fetch failed')
    await proxy.listen()
    expect(proxy.url).toBe(url)
    expect(await ask('/')).toBe('GET / ')
  })
})
