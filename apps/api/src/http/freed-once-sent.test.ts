import { once } from 'node:events'
import { createHash, randomBytes } from 'node:crypto'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { expect, it } from '@jest/globals'
import { freedOnceSent } from './freed-once-sent.js'

const MIB = 1_048_576

it('frees windows of any size behind a reader that is slow, and none before it was sent', async () => {
  const sizes = [1, MIB, 70_000, MIB, MIB, 17, 17, 3 * MIB, MIB, 4_096, ...Array<number>(24).fill(MIB), 5]
  const windows: Buffer[] = []
  const expected = createHash('sha256')
  let heldMost = 0
  async function* made(): AsyncGenerator<Uint8Array> {
    for (const size of sizes) {
      const window = Buffer.from(new Uint8Array(randomBytes(size)))
      expected.update(window)
      windows.push(window)
      heldMost = Math.max(heldMost, windows.filter(({ length }) => length > 0).length)
      yield window
      await setImmediate()
    }
  }
  const server = createServer((_request, response) => void freedOnceSent(made(), response).pipe(response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const request = get({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    const came = createHash('sha256')
    for await (const chunk of response) {
      came.update(chunk as Buffer)
      // Other work between two reads: the connection fills up, and windows wait.
      for (let turn = 0; turn < 20; turn++) await setImmediate()
    }
    expect(came.digest('hex')).toBe(expected.digest('hex'))
    expect(heldMost).toBeLessThan(8)
    expect(windows.filter(({ length }) => length > 0).length).toBeLessThan(8)
  } finally {
    server.close()
  }
})
