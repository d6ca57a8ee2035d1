import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { afterEach, describe, expect, it } from '@jest/globals'
import { AgentfsClient } from './client.js'

const TIMEOUT_MS = 300
const CHUNKS = 8

let server: Server | undefined

afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

async function clientOf(answer: RequestListener): Promise<AgentfsClient> {
  server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return new AgentfsClient({ url: `http://127.0.0.1:${port}`, timeoutMs: TIMEOUT_MS })
}

/** A file that comes in so many chunks, each a third of the time limit after the one before; then it ends, or stalls. */
function slowFile(chunks: number, ends: boolean): RequestListener {
  return (_request, response) => {
    const send = async (): Promise<void> => {
      response.writeHead(200, { 'content-type': 'text/plain' })
      for (let sent = 0; sent < chunks; sent++) {
        response.write('x')
        await setTimeout(TIMEOUT_MS / 3)
      }
      if (ends) response.end()
    }
    send().catch(() => response.destroy())
  }
}

describe('the time limit of a request', () => {
  it('is for the answer to begin and to go on, not for how long a large file takes', async () => {
    const client = await clientOf(slowFile(CHUNKS, true))
    expect(await client.agent('a').files.readText('large')).toBe('x'.repeat(CHUNKS))
  })

  it('is not used up by who reads slowly', async () => {
    const client = await clientOf((_request, response) => void response.end('x'.repeat(100_000)))
    const { body } = await client.agent('a').files.open('large')
    await setTimeout(2 * TIMEOUT_MS)
    expect(await new Response(body).text()).toHaveLength(100_000)
  })

  it.each([
    ['does not begin', 0],
    ['stops in the middle', 1],
  ])('ends a request whose answer %s', async (_title, chunks) => {
    const client = await clientOf(chunks === 0 ? () => undefined : slowFile(chunks, false))
    const reading = client.agent('a').files.read('stalled')
    await expect(reading).rejects.toMatchObject({ code: 'unavailable', details: { unreachable: true } })
  })
})
