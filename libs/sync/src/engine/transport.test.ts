import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Transport } from './transport.js'

let server: Server
let url: string
let transport: Transport
const sockets = new Set<Socket>()
let mute = false

beforeEach(async () => {
  mute = false
  server = createServer((request, answer) => {
    if (mute) return
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const headers = { 'content-type': 'text/plain', 'x-port': String(request.socket.remotePort) }
      answer.writeHead(request.url === '/missing' ? 404 : 200, headers)
      answer.end(`${request.method} ${String(request.headers['x-test'])} ${Buffer.concat(chunks).toString()}`)
    })
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  url = `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`
  transport = new Transport()
})

afterEach(async () => {
  transport.reset()
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
})

describe('requests of the engine', () => {
  it('carry method, headers and bytes, and bring back status, headers and body', async () => {
    const answer = await transport.fetch(`${url}/x`, {
      method: 'POST',
      headers: { 'x-test': 'told' },
      body: new TextEncoder().encode('bytes'),
    })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('text/plain')
    expect(await answer.text()).toBe('POST told bytes')
    expect((await transport.fetch(`${url}/missing`)).status).toBe(404)
  })

  it('one after the other go over one connection', async () => {
    const ports = new Set<string | null>()
    for (let turn = 0; turn < 5; turn++) ports.add((await transport.fetch(url)).headers.get('x-port'))
    expect(ports.size).toBe(1)
  })

  it('[VIS-4] that hang on a dead connection fail at once when connections are dropped, and the next one is on a new one', async () => {
    const before = (await transport.fetch(url)).headers.get('x-port')
    mute = true
    const hanging = transport.fetch(url)
    const outcome = hanging.then(
      () => 'answered',
      () => 'failed',
    )
    await once(server, 'request')
    transport.reset()
    expect(await outcome).toBe('failed')
    mute = false
    const after = await transport.fetch(url)
    expect(after.status).toBe(200)
    expect(after.headers.get('x-port')).not.toBe(before)
  })

  it('end when the caller gives up, and fail where nobody answers', async () => {
    mute = true
    await expect(transport.fetch(url, { signal: AbortSignal.timeout(20) })).rejects.toThrow(/aborted/)
    await expect(transport.fetch('http://127.0.0.1:9/')).rejects.toThrow(/ECONNREFUSED/)
  })

  it('fail where the answer is cut', async () => {
    server.removeAllListeners('request')
    server.on('request', (_request, answer) => {
      answer.writeHead(200, { 'content-length': '100' })
      answer.write('half')
      setImmediate(() => answer.destroy())
    })
    await expect(transport.fetch(url)).rejects.toThrow(/aborted|hang up/)
  })
})
