import { createServer } from 'node:net'

const handedOut = new Set<number>()

/**
 * A loopback TCP port that was free a moment ago, and that this process has not handed out before.
 * Another process may take it in between: whoever starts a server on it should be ready to try again.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = await askKernel()
    if (handedOut.has(port)) continue
    handedOut.add(port)
    return port
  }
}

function askKernel(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port)
        else reject(new Error('the kernel gave no port'))
      })
    })
  })
}
